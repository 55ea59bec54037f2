//! Docker Hub's names: one repository under several spellings, of which the engine shows the shortest.

use super::image::Repository;

/// The registry that names without a host lead to.
const HUB: &str = "docker.io";
/// Its older name.
const OLD_HUB: &str = "index.docker.io";
/// What precedes the name of an official repository.
const OFFICIAL: &str = "library/";

impl Repository {
    /// The name by which the engine shows it (`RepoTags`, `RepoDigests`, filters): `x` for `docker.io/library/x`, `u/x`
    /// for `docker.io/u/x`, and the name itself for every other registry. By the rules of Docker's reference package.
    #[must_use]
    pub fn familiar(&self) -> &str {
        let name = self.as_str();
        match name.split_once('/') {
            Some((HUB | OLD_HUB, path)) => {
                let official = path.strip_prefix(OFFICIAL);
                official.filter(|name| !name.contains('/')).unwrap_or(path)
            }
            _ => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_docker_hub_are_shortened_as_docker_does() {
        for (name, familiar) in [
            ("docker.io/library/x", "x"),
            ("docker.io/x", "x"),
            ("docker.io/u/x", "u/x"),
            ("docker.io/library/x/y", "library/x/y"),
            ("docker.io/u/library/x", "u/library/x"),
            ("docker.io/library", "library"),
            ("index.docker.io/library/x", "x"),
            ("index.docker.io/x", "x"),
            ("index.docker.io/u/x", "u/x"),
            (
                "registry-1.docker.io/library/x",
                "registry-1.docker.io/library/x",
            ),
            ("docker.io:443/library/x", "docker.io:443/library/x"),
            ("ghcr.io/library/x", "ghcr.io/library/x"),
            ("localhost/library/x", "localhost/library/x"),
            ("127.0.0.1:5000/u/x", "127.0.0.1:5000/u/x"),
        ] {
            let repository = Repository::parse(name).expect(name);
            assert_eq!(repository.familiar(), familiar, "{name}");
        }
        for short in ["x", "u/x", "library/x"] {
            assert!(
                Repository::parse(short).is_err(),
                "{short}: a host is named"
            );
        }
    }
}
