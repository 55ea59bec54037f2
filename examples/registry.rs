//! Serves sample runtime images from memory, and a port that stands for PostgreSQL: `registry REPOSITORY`, for
//! `examples/quickstart`. 1.0.x stay, 2.0.0 exits once it is ready and is brought back, as today's runtime does.
//!
//! Prints the registry's port and the database's, then serves until its standard input ends.

use std::io::Read;

use dreichor_test_support::database::Database;
use dreichor_test_support::images::{ImageSpec, Runtime};
use dreichor_test_support::registry::Registry;

fn main() -> std::io::Result<()> {
    let repository = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "dreichor/runtime".to_owned());
    let registry = Registry::start();
    let runtimes = [
        ("1.0.0", Runtime::Serves),
        ("1.0.1", Runtime::Serves),
        ("2.0.0", Runtime::Loops),
    ];
    for (tag, runtime) in runtimes {
        let image = ImageSpec::runtime(runtime).salt(tag).build();
        registry.put(&repository, tag, &image);
    }
    let database = Database::start();
    println!("{} {}", registry.port(), database.port());
    std::io::stdin().read_to_end(&mut Vec::new()).map(drop)
}
