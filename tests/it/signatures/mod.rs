//! Signed images: who signs, what counts, what does not, and registries that do not say.
//!
//! | file | what is in it |
//! |---|---|
//! | `signer` | makes signatures of every kind, right and wrong |
//! | `accepted` | what counts, on both engines; rotation |
//! | `policies` | off, warn, enforce; record, `history`, `status`; what it costs |
//! | `attacks` | what does not count, each with its reason, the old container untouched |
//! | `registries` | registries that refuse, fail, stall, ask for tokens, redirect |
//! | `flips` | every byte of what the real cosign wrote, flipped |
//! | `by_cosign` | the real cosign, 2 and 3, against a real registry; `cosign` runs both |
//! | `tls` | a registry behind TLS and a proxy |
//! | `startup` | settings that are refused, and what the start says |

mod accepted;
mod attacks;
mod by_cosign;
mod cosign;
mod flips;
mod policies;
mod registries;
pub mod signer;
mod startup;
mod tls;

use serde_json::Value;

use crate::harness::{Agent, Answer, World};
use signer::Signer;

/// A world that enforces signatures by this key.
fn enforcing(world: &mut World, signer: &Signer) {
    policy(world, "enforce", &[signer]);
}

fn policy(world: &mut World, policy: &str, signers: &[&Signer]) {
    let files = signers.iter().enumerate().map(|(at, signer)| {
        let path = world.path(&format!("key-{at}.pub"));
        std::fs::write(&path, signer.pem()).expect("written");
        path.display().to_string()
    });
    let files: Vec<String> = files.collect();
    world.set("SIGNATURE_POLICY", policy);
    world.set("SIGNATURE_KEYS", &files.join(","));
}

/// Deploys a signed 1.0.0 and tells what identifies this very run of it.
fn running_signed(world: &World, signer: &Signer) -> (Agent, Value) {
    let image = world.push_runtime("1.0.0");
    signer.sign(world, "1.0.0", &image.digest);
    let agent = world.agent();
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    (agent, world.identity())
}

/// The deploy of this tag is refused with these words before anything is touched.
fn refused(world: &World, agent: &Agent, tag: &str, status: u16, words: &[&str]) -> Answer {
    let old = world.identity();
    let answer = agent.deploy(&world.image(tag));
    assert_eq!(answer.status, status, "{tag}: {}", answer.body);
    let reason = answer.reason();
    for words in words {
        assert!(
            reason.contains(words),
            "{tag}: {words:?} is not in: {reason}"
        );
    }
    for words in ["verify failed: ", "not touched and is running"] {
        assert!(
            reason.contains(words),
            "{tag}: {words:?} is not in: {reason}"
        );
    }
    assert_eq!(world.identity(), old, "{tag}");
    let outcome = world.last_outcome();
    assert_eq!(outcome["outcome"], "failed", "{tag}");
    assert_eq!(outcome["state"], "old_running", "{tag}");
    assert_eq!(outcome["failed_step"], "verify", "{tag}");
    answer
}
