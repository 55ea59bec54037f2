//! A witness of what ran together, so that tests can assert what never did.

use std::time::Instant;

use super::container::Container;

/// The containers whose processes lived at one moment.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// When this set began.
    pub at: Instant,
    /// Who was in it.
    pub running: Vec<Seen>,
}

/// One running container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its full id.
    pub id: String,
    /// Its name, without a slash.
    pub name: String,
    /// Its labels as `key=value`.
    pub labels: Vec<String>,
}

/// Every change of the set of running containers, and every broken invariant.
#[derive(Debug, Default)]
pub(crate) struct Sightings {
    pub seen: Vec<Sighting>,
    pub violations: Vec<String>,
}

impl Sightings {
    pub fn look<'a>(&mut self, containers: impl Iterator<Item = &'a Container> + Clone) {
        self.check_names(containers.clone());
        let running: Vec<Seen> = containers
            .filter(|container| container.state.has_process())
            .map(|container| Seen {
                id: container.id.clone(),
                name: container.name.clone(),
                labels: labels(container),
            })
            .collect();
        let unchanged = self.seen.last().is_some_and(|last| last.running == running);
        if !unchanged {
            let at = Instant::now();
            self.seen.push(Sighting { at, running });
        }
    }

    fn check_names<'a>(&mut self, containers: impl Iterator<Item = &'a Container>) {
        let mut names: Vec<&str> = containers.map(|c| c.name.as_str()).collect();
        names.sort_unstable();
        for pair in names.windows(2).filter(|pair| pair[0] == pair[1]) {
            let text = format!("two containers are named {}", pair[0]);
            self.violations.push(text);
        }
    }
}

fn labels(container: &Container) -> Vec<String> {
    let labels = container.labels();
    let pairs = labels.iter();
    pairs
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect()
}
