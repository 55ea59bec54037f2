//! Where engines differ in what a scenario expects: one table, by the image store that an engine says it has.

use std::time::Duration;

use serde_json::Value;

use super::World;
use dreichor_test_support::images::BuiltImage;

/// What an image store does that another does otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Store {
    /// An image's id is what its tag names in the registry, manifest or index; otherwise its config.
    id_is_the_digest: bool,
    /// An image that lost its last name stays until it is pruned.
    pub keeps_the_nameless: bool,
    /// What a registry says when it refuses is passed on; otherwise the status alone.
    pub repeats_the_registry: bool,
    /// How long it may hold on to wrong bytes, however often the right ones are asked for.
    pub keeps_wrong_bytes: Duration,
    /// What is said of an index that has nothing for this platform, by older and newer engines.
    pub no_platform: &'static [&'static str],
    /// What repeating a deploy does whose pull ran out of time.
    pub repeated_pull: &'static str,
}

/// Of layers and configs below the engine's own directory: `overlay2`, and what came before it.
const CLASSIC: Store = Store {
    id_is_the_digest: false,
    keeps_the_nameless: true,
    repeats_the_registry: true,
    keeps_wrong_bytes: Duration::ZERO,
    no_platform: &["no matching manifest"],
    repeated_pull: "repeating the deploy begins anew",
};

/// Of containerd: manifests and indexes are images themselves.
const CONTAINERD: Store = Store {
    id_is_the_digest: true,
    keeps_the_nameless: false,
    repeats_the_registry: false,
    // What came is kept, the wrong bytes too, until it looks for what nobody needs: seen a few times in some hundred pulls.
    keeps_wrong_bytes: Duration::from_secs(30),
    no_platform: &["no match for platform in manifest", "no matching manifest"],
    repeated_pull: "repeating the deploy goes on from there",
};

impl Store {
    /// Whether it is containerd's.
    pub fn is_containerds(&self) -> bool {
        *self == CONTAINERD
    }

    /// The engine's id of an image that a tag names by itself, without an index.
    pub fn id_of<'a>(&self, image: &'a BuiltImage) -> &'a str {
        self.id_below(&image.digest, image)
    }

    /// The engine's id of this platform's image of the index with this digest.
    pub fn id_below<'a>(&self, index: &'a str, image: &'a BuiltImage) -> &'a str {
        match self.id_is_the_digest {
            true => index,
            false => &image.id,
        }
    }
}

impl World {
    /// By what the engine says of itself now.
    pub fn store(&self) -> Store {
        let info = self.engine("GET", "/info", None).json();
        let said = info["DriverStatus"].as_array().cloned().unwrap_or_default();
        let of_containerd = |pair: &Value| {
            pair[0] == "driver-type"
                && pair[1]
                    .as_str()
                    .is_some_and(|kind| kind.starts_with("io.containerd.snapshotter"))
        };
        match said.iter().any(of_containerd) {
            true => CONTAINERD,
            false => CLASSIC,
        }
    }

    /// Whether the engine refuses to pull an image with an exposed port that cannot be: the classic store, of 29 on.
    pub fn reads_ports_when_it_pulls(&self) -> bool {
        let version = self.engine("GET", "/version", None).json();
        let major = version["Version"].as_str().and_then(|v| v.split_once('.'));
        let major: u32 = major.map_or(0, |(major, _)| major.parse().unwrap_or(0));
        major >= 29 && !self.store().is_containerds()
    }
}
