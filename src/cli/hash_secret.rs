//! `deploy-agent hash-secret`: a token's secret on standard input, its SHA-256 on standard output.

use std::io;

use crate::exit::Exit;

/// Prints the hash of the secret on standard input.
pub(super) fn run() -> Exit {
    match crate::access::hash_secret::hash_secret(&mut io::stdin().lock()) {
        Ok(hash) => {
            println!("{hash}");
            Exit::Ok
        }
        Err(error) => {
            eprintln!("{error}");
            Exit::Failed
        }
    }
}
