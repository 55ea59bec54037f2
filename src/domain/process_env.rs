//! The variables that the runtime's process really gets: its image's own, with `runtime.env` laid over them.

use std::collections::BTreeSet;

use super::{RuntimeEnv, shown_name};

/// Names that `runtime.env` gives a value or nobody does.
const SERVER_OWNED: [&str; 4] = [
    "DATABASE_URL",
    "EXECUTION_PLANE",
    "SAFETY_MODE",
    "LOG_LEVEL",
];

/// What a process of this image gets. As the engine merges them: a name of `runtime.env` hides the image's, and of two
/// lines with one name the last stands.
pub struct ProcessEnv<'a> {
    image: Vec<(&'a str, &'a str)>,
    runtime: &'a RuntimeEnv,
}

impl<'a> ProcessEnv<'a> {
    /// `image` are the `NAME=value` lines of the image's configuration.
    #[must_use]
    pub fn new(image: &'a [String], runtime: &'a RuntimeEnv) -> Self {
        // A line without = is a name too: what an engine makes of it is not for us to guess.
        let named = |line: &'a String| line.split_once('=').unwrap_or((line, ""));
        let image = image.iter().map(named);
        let image = image.filter(|(name, _)| runtime.get(name).is_none());
        Self {
            image: image.collect(),
            runtime,
        }
    }

    /// The value that the process sees.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let of_image = || {
            let lines = self.image.iter().rev();
            let mut found = lines.filter(|(found, _)| *found == name);
            found.next().map(|(_, value)| *value)
        };
        self.runtime.get(name).or_else(of_image)
    }

    /// Names that only the image gives, sorted, each once.
    #[must_use]
    pub fn names_of_image(&self) -> Vec<String> {
        let names: BTreeSet<&str> = self.image.iter().map(|(name, _)| *name).collect();
        // A line without = may be anything.
        let names: BTreeSet<&str> = names.into_iter().map(shown_name).collect();
        names.into_iter().map(str::to_owned).collect()
    }

    /// Those among them that are the server's to give.
    #[must_use]
    pub fn server_owned_of_image(&self) -> Vec<&'static str> {
        let given = |owned: &&str| self.image.iter().any(|(name, _)| name == owned);
        SERVER_OWNED.into_iter().filter(given).collect()
    }

    /// Every `NAME=value` as the process gets it.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let image = self.image.iter().copied();
        image.chain(self.runtime.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtime_env_hides_what_the_image_says_and_the_last_line_of_a_name_stands() {
        let image = ["PATH=/bin", "LOG_LEVEL=debug", "A=1", "A=2", "MODE"].map(str::to_owned);
        let runtime = RuntimeEnv::parse(b"LOG_LEVEL=\nB=1\nB=2").expect("valid");
        let process = ProcessEnv::new(&image, &runtime);
        assert_eq!(process.get("LOG_LEVEL"), Some(""), "empty is a value");
        assert_eq!(process.get("A"), Some("2"));
        assert_eq!(process.get("B"), Some("2"));
        assert_eq!(process.get("C"), None);
        assert_eq!(process.names_of_image(), ["A", "MODE", "PATH"]);
        assert_eq!(process.server_owned_of_image(), Vec::<&str>::new());
        let all: Vec<_> = process.iter().map(|(name, _)| name).collect();
        assert_eq!(all, ["PATH", "A", "A", "MODE", "LOG_LEVEL", "B", "B"]);
    }

    #[test]
    fn a_server_owned_name_that_only_the_image_gives_is_found_with_and_without_a_value() {
        let runtime = RuntimeEnv::parse(b"DATABASE_URL=x").expect("valid");
        for line in [
            "EXECUTION_PLANE=live",
            "EXECUTION_PLANE=",
            "EXECUTION_PLANE",
        ] {
            let image = [line.to_owned(), "DATABASE_URL=y".to_owned()];
            let process = ProcessEnv::new(&image, &runtime);
            assert_eq!(process.server_owned_of_image(), ["EXECUTION_PLANE"]);
            assert_eq!(process.get("DATABASE_URL"), Some("x"));
        }
        let image = ["execution_plane=live".to_owned()];
        let process = ProcessEnv::new(&image, &runtime);
        assert!(process.server_owned_of_image().is_empty(), "another name");
    }
}
