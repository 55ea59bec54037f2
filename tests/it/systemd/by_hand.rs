//! A bare booted host for a person: `cargo test --test it systemd::by_hand -- --ignored --nocapture`

use std::time::Duration;

use dreichor_test_support::images::ImageSpec;

use super::host::Host;
use super::package::{VERSION, package};
use super::registry::REPOSITORY;

#[test]
#[ignore = "waits for a person"]
fn a_host_that_waits_until_its_person_is_done() {
    let host = Host::boot();
    for (tag, mode) in [("1.0.0", "run"), ("2.0.0", "run"), ("3.0.0", "crash")] {
        host.registry().push(tag, ImageSpec::mode(&[mode]));
    }
    let file = package(VERSION);
    let file_name = file.file_name().and_then(|name| name.to_str());
    host.copy(&file, &format!("/root/{}", file_name.expect("a name")));
    println!("docker exec -it {} bash", host.name());
    println!("the package is in /root, {REPOSITORY} has 1.0.0, 2.0.0 and 3.0.0, which crashes");
    println!("touch /root/done on the host ends it");
    let done = || host.said("test -e /root/done").0 == 0;
    while !done() {
        std::thread::sleep(Duration::from_secs(2));
    }
}
