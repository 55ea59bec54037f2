//! What an engine is, for people: version, image store, and what else decides how it treats a container; and whether it is
//! older than the agent can work with.

use std::fmt;

use bollard::models::{SystemInfo, SystemVersion};

use super::version::{api, keeps_unfinished_pulls};
use crate::settings::RestartPolicy;

/// The oldest API that has everything the agent asks for: that of Docker Engine 20.10.
const OLDEST_API: (u32, u32) = (1, 41);

/// What it told of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineAbout {
    version: String,
    api: String,
    store: String,
    cgroups: String,
    log_driver: String,
    live_restore: bool,
    rootless: bool,
    /// The user and group of this host that root of a container is.
    remapped_root: Option<(u32, u32)>,
}

impl EngineAbout {
    pub(super) fn of(version: &SystemVersion, info: &SystemInfo) -> Self {
        let told = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".to_owned());
        let driver = told(&info.driver);
        let has = |option: &str| info.security_options.iter().flatten().any(|o| o == option);
        let root = info.docker_root_dir.as_deref();
        Self {
            version: told(&version.version),
            api: told(&version.api_version),
            store: match keeps_unfinished_pulls(info.driver_status.as_deref()) {
                true => format!("containerd ({driver})"),
                false => driver,
            },
            cgroups: info
                .cgroup_version
                .map(|version| version.to_string())
                .filter(|version| !version.is_empty())
                .unwrap_or_else(|| "unknown".to_owned()),
            log_driver: told(&info.logging_driver),
            live_restore: info.live_restore_enabled == Some(true),
            rootless: has("name=rootless"),
            remapped_root: root.filter(|_| has("name=userns")).and_then(remapped_root),
        }
    }

    /// Why the agent cannot work with it; none from Docker Engine 20.10 on.
    pub(super) fn too_old(&self) -> Option<String> {
        (api(Some(&self.api)) < OLDEST_API).then(|| {
            format!(
                "the Docker engine is {} and speaks API {}: the agent needs 20.10 (API 1.41) or newer",
                self.version, self.api
            )
        })
    }

    /// What becomes of the runtime when the engine restarts, as an upgrade of its package makes it.
    #[must_use]
    pub fn after_restart(&self, policy: RestartPolicy) -> &'static str {
        match (self.live_restore, policy) {
            (true, _) => "leaves the runtime running (live-restore)",
            (false, RestartPolicy::Always) => {
                "ends the runtime and brings it back (always), also one that was stopped by hand"
            }
            (false, RestartPolicy::UnlessStopped) => {
                "ends the runtime and brings it back (unless-stopped), but not after the engine was killed or crashed: deploy again then"
            }
            (false, RestartPolicy::OnFailure) => {
                "ends the runtime, and brings it back only if it ended with an error (on-failure)"
            }
            (false, RestartPolicy::No) => "ends the runtime, and nothing brings it back (no)",
        }
    }

    /// Sentences on whom the binds must belong to, and on what else is not as with the usual engine.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let rootless = self.rootless.then(|| {
            "the Docker engine is rootless: in the binds, root of the runtime is the user that the engine runs as; \
             its host network is its own, so that the runtime and this host do not reach each other on the loopback; \
             limits need cgroups v2"
                .to_owned()
        });
        let remapped = self.remapped_root.map(|(user, group)| {
            format!(
                "the Docker engine remaps users (userns-remap): in the binds, root of the runtime is user {user} and group {group} of this host"
            )
        });
        rootless.into_iter().chain(remapped).collect()
    }
}

impl fmt::Display for EngineAbout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            version,
            api,
            store,
            cgroups,
            log_driver,
            live_restore,
            rootless: _,
            remapped_root: _,
        } = self;
        let live_restore = if *live_restore { "on" } else { "off" };
        write!(
            f,
            "Docker {version} (API {api}), image store {store}, cgroups {cgroups}, live-restore {live_restore}, log driver {log_driver}"
        )
    }
}

/// An engine that remaps users keeps its files in a directory of theirs: `/var/lib/docker/100000.100000`.
fn remapped_root(directory: &str) -> Option<(u32, u32)> {
    let (user, group) = directory.rsplit('/').next()?.split_once('.')?;
    Some((user.parse().ok()?, group.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(api: &str, options: &[&str]) -> EngineAbout {
        let version = SystemVersion {
            version: Some("1.2.3".to_owned()),
            api_version: Some(api.to_owned()),
            ..SystemVersion::default()
        };
        let info = SystemInfo {
            driver: Some("overlay2".to_owned()),
            docker_root_dir: Some("/var/lib/docker/100000.100001".to_owned()),
            security_options: Some(options.iter().map(|&option| option.to_owned()).collect()),
            ..SystemInfo::default()
        };
        EngineAbout::of(&version, &info)
    }

    #[test]
    fn an_engine_before_20_10_is_too_old_and_no_newer_one_is() {
        for old in ["1.40", "1.9", "x"] {
            let said = about(old, &[]).too_old().expect(old);
            assert!(said.contains("1.2.3") && said.contains(old), "{said}");
        }
        for new in ["1.41", "1.44", "1.100", "2.0"] {
            assert_eq!(about(new, &[]).too_old(), None);
        }
    }

    #[test]
    fn remapped_users_and_an_engine_without_root_are_named() {
        assert!(about("1.41", &["name=seccomp"]).notes().is_empty());
        let remapped = about("1.41", &["name=userns"]).notes().concat();
        assert!(
            remapped.contains("user 100000 and group 100001"),
            "{remapped}"
        );
        let rootless = about("1.41", &["name=rootless"]).notes().concat();
        assert!(rootless.contains("rootless"), "{rootless}");
    }

    #[test]
    fn what_is_not_told_is_called_unknown() {
        let nothing = EngineAbout::of(&SystemVersion::default(), &SystemInfo::default());
        assert_eq!(
            nothing.to_string(),
            "Docker unknown (API unknown), image store unknown, cgroups unknown, live-restore off, log driver unknown"
        );
    }
}
