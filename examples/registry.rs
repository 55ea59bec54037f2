//! Serves sample runtime images from memory: `registry REPOSITORY`, for `examples/quickstart`.
//!
//! Prints its port, then serves until its standard input ends.

use std::io::Read;

use dreichor_test_support::images::ImageSpec;
use dreichor_test_support::registry::Registry;

fn main() -> std::io::Result<()> {
    let repository = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "dreichor/runtime".to_owned());
    let registry = Registry::start();
    for (tag, mode) in [("1.0.0", "run"), ("1.0.1", "run"), ("1.0.2", "crash")] {
        let image = ImageSpec::mode(&[mode]).salt(tag).build();
        registry.put(&repository, tag, &image);
    }
    println!("{}", registry.port());
    std::io::stdin().read_to_end(&mut Vec::new()).map(drop)
}
