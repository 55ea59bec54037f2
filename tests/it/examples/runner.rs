//! Two runners for a GitHub Actions workflow: one by hand, that runs the steps' scripts, and the real `act`.

use std::path::Path;

use super::{CLIENT_ID, CLIENT_SECRET, Said, act, by_hand};
use crate::host_files::read;

const WORKFLOW: &str = "examples/github-actions/deploy.yml";

/// Which of them runs the workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runner {
    ByHand,
    Act,
}

/// What a person chooses, and what the repository is set up with.
#[derive(Debug, Clone)]
pub struct Dispatch {
    pub runner: Runner,
    pub environment: &'static str,
    pub tag: String,
    pub mode: &'static str,
    pub agent_url: String,
    pub client_id: String,
    pub client_secret: String,
    /// Who pressed the button.
    pub actor: String,
    /// In place of the workflow's own, which no test can pull from.
    pub repository: String,
}

/// The steps that ran, in order.
#[derive(Debug, Default)]
pub struct Outcome {
    pub steps: Vec<(String, Said)>,
    /// The commands that the runner took out of what was said: name and value.
    pub commands: Vec<(String, String)>,
    /// What the page of the run shows.
    pub summary: String,
}

impl Dispatch {
    /// A deploy of this tag to dev, with the token that the tests present.
    pub fn new(runner: Runner, agent_url: String, repository: &str, tag: &str) -> Self {
        Self {
            runner,
            environment: "dev",
            tag: tag.to_owned(),
            mode: "deploy",
            agent_url,
            client_id: CLIENT_ID.to_owned(),
            client_secret: CLIENT_SECRET.to_owned(),
            actor: "octocat".to_owned(),
            repository: repository.to_owned(),
        }
    }

    /// Runs the workflow's one job; the runner's own files go into this directory.
    pub fn run(&self, directory: &Path) -> Outcome {
        match self.runner {
            Runner::ByHand => by_hand::dispatch(self, directory),
            Runner::Act => act::dispatch(self, directory),
        }
    }

    /// The workflow as a reader copies it, but for the repository of the images.
    pub fn workflow(&self) -> String {
        let own = "ghcr.io/ceerkle/dreichor-trading/runtime:";
        let text = read(WORKFLOW);
        assert!(text.contains(own), "the image is of the default repository");
        text.replace(own, &format!("{}:", self.repository))
    }
}

impl Outcome {
    pub fn succeeded(&self) -> bool {
        self.steps.iter().all(|(_, said)| said.code == Some(0))
    }

    /// The names of the steps that ran.
    pub fn ran(&self) -> Vec<&str> {
        self.steps.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// What a step said.
    pub fn said(&self, step: &str) -> &str {
        let found = self.steps.iter().find(|(name, _)| name == step);
        let (_, said) = found.unwrap_or_else(|| panic!("{step} did not run: {self:?}"));
        &said.text
    }

    /// The first step that failed, and what it said.
    pub fn failure(&self) -> (&str, &str) {
        let failed = self.steps.iter().find(|(_, said)| said.code != Some(0));
        let (name, said) = failed.unwrap_or_else(|| panic!("nothing failed: {self:?}"));
        (name, &said.text)
    }
}
