//! What does not count: each is refused before the stop with a reason that names it, the old container untouched.

mod shape;
mod types;
mod whose;

use serde_json::Value;

use super::signer::{Signer, attach, attach_simple, simple, statement};
use super::{enforcing, refused, running_signed};
use crate::harness::{Agent, Kind, World};

/// What an attack changes in something that would count.
type Change = fn(&mut Value);

struct Siege {
    world: World,
    signer: Signer,
    agent: Agent,
    attacks: usize,
}

impl Siege {
    fn lay() -> Self {
        let mut world = World::new(Kind::Fake);
        let signer = Signer::new();
        enforcing(&mut world, &signer);
        let (agent, _) = running_signed(&world, &signer);
        Self {
            world,
            signer,
            agent,
            attacks: 0,
        }
    }

    /// An image that nobody has signed: its tag and its digest.
    fn image(&mut self) -> (String, String) {
        self.attacks += 1;
        let tag = format!("2.0.{}", self.attacks);
        let digest = self.world.push_runtime(&tag).digest;
        (tag, digest)
    }

    fn refused(&self, tag: &str, words: &str) {
        refused(&self.world, &self.agent, tag, 422, &[words]);
    }

    /// A bundle, as text.
    fn bundle(&mut self, words: &str, make: impl FnOnce(&Self, &str, &str) -> String) {
        let (tag, digest) = self.image();
        let bundle = make(self, &tag, &digest);
        attach(&self.world, &digest, &[bundle]);
        self.refused(&tag, words);
    }

    /// A statement that our own key has signed.
    fn statement(&mut self, words: &str, change: impl FnOnce(&mut Value)) {
        self.bundle(words, |siege, tag, digest| {
            let mut statement = statement(digest, tag, "dev");
            change(&mut statement);
            siege.signer.bundle(&statement).to_string()
        });
    }

    /// A payload in the older form that our own key has signed.
    fn payload(&mut self, words: &str, change: impl FnOnce(&mut Value)) {
        self.payload_text(words, |payload| {
            let mut payload = payload;
            change(&mut payload);
            payload.to_string()
        });
    }

    fn payload_text(&mut self, words: &str, make: impl FnOnce(Value) -> String) {
        let (tag, digest) = self.image();
        let payload = make(simple(&self.world.repository, &digest, &tag, "dev"));
        let signature = self.signer.signature(payload.as_bytes());
        attach_simple(&self.world, &digest, &[(payload, signature)]);
        self.refused(&tag, words);
    }
}
