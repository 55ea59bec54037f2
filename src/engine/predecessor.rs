//! What a container that somebody else made is made of, to tell how this agent's will differ.

use bollard::models::HostConfig;

use super::container_spec::{AUDIT_EVENTS_TARGET, SNAPSHOTS_TARGET};
use super::{Engine, EngineError, OPERATION_LABEL};
use crate::settings::{RuntimeSettings, shown_init};

impl Engine {
    /// How the container of our name differs from what this agent would make: a sentence a difference. Empty if there is
    /// none, or if this agent made it.
    ///
    /// # Errors
    /// As [`Engine::inspect_name`].
    pub async fn differences_of_predecessor(
        &self,
        runtime: &RuntimeSettings,
    ) -> Result<Vec<String>, EngineError> {
        let Some(found) = self.inspect_name_raw().await? else {
            return Ok(Vec::new());
        };
        let labels = found.config.and_then(|config| config.labels);
        if labels.is_some_and(|labels| labels.contains_key(OPERATION_LABEL)) {
            return Ok(Vec::new());
        }
        let mounts = found.mounts.unwrap_or_default().into_iter();
        let binds: Vec<(String, String)> = mounts
            .filter_map(|mount| Some((mount.source?, mount.destination?)))
            .collect();
        let ours = [
            (&runtime.audit_events, AUDIT_EVENTS_TARGET),
            (&runtime.snapshots, SNAPSHOTS_TARGET),
        ];
        let mut differences = host_differences(&found.host_config.unwrap_or_default(), runtime);
        for (source, target) in ours {
            let source = source.to_string_lossy();
            match binds.iter().find(|(_, held)| held == target) {
                None => differences.push(format!("it has no bind at {target}")),
                Some((held, _)) if *held != source => {
                    differences.push(format!("its bind at {target} is of {held}"));
                }
                Some(_) => {}
            }
        }
        let known = |target: &str| ours.iter().any(|(_, own)| *own == target);
        for (source, target) in binds.iter().filter(|(_, target)| !known(target)) {
            differences.push(format!(
                "it has a bind of {source} at {target}, which a new one will not have"
            ));
        }
        Ok(differences)
    }
}

fn host_differences(host: &HostConfig, runtime: &RuntimeSettings) -> Vec<String> {
    let policy = host.restart_policy.as_ref().and_then(|policy| policy.name);
    let policy = policy.map(|name| name.to_string()).unwrap_or_default();
    let network = host.network_mode.clone().unwrap_or_default();
    let mut differences = Vec::new();
    let mut compare = |setting: &str, theirs: String, ours: String| {
        if theirs != ours {
            differences.push(format!("its {setting} is {theirs}, and {ours} is set here"));
        }
    };
    compare("network", network, runtime.network.clone());
    compare(
        "restart policy",
        policy,
        runtime.restart_policy.as_str().to_owned(),
    );
    compare("init", shown_init(host.init), shown_init(runtime.init));
    differences
}
