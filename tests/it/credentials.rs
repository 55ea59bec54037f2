//! Docker's `config.json` and its helpers: what is found, in which order, and what a helper cannot do.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use deploy_agent::credentials::{
    CredentialsError, HelperEnvironment, RegistryAuth, RegistryCredentials,
};
use serde_json::{Value, json};

const SECRET: &str = "canary-helper-secret";

struct Docker(tempfile::TempDir);

impl Docker {
    fn new(config: &Value) -> Self {
        let docker = Self(tempfile::tempdir().expect("a directory"));
        docker.write(&config.to_string());
        docker
    }

    fn write(&self, text: &str) {
        std::fs::write(self.0.path().join("config.json"), text).expect("written");
    }

    /// Puts `docker-credential-NAME` on the helpers' path.
    fn helper(&self, name: &str, script: &str) -> PathBuf {
        let path = self.0.path().join(format!("docker-credential-{name}"));
        let own = self.0.path().display().to_string();
        std::fs::write(
            &path,
            format!("#!/bin/sh\n{}\n", script.replace("$HERE", &own)),
        )
        .expect("written");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, mode).expect("executable");
        path
    }

    async fn load(&self, host: &str) -> Result<Option<RegistryAuth>, CredentialsError> {
        let path = format!("{}:/usr/bin:/bin", self.0.path().display());
        let environment = HelperEnvironment {
            path: Some(path.into()),
            home: None,
        };
        let deadline = Duration::from_millis(1500);
        let directory = Some(self.0.path());
        RegistryCredentials::look_up_with(directory, host, deadline, &environment)
            .await
            .map(|found| found.auth)
    }
}

fn basic(username: &str, password: &str) -> RegistryAuth {
    RegistryAuth::Basic {
        username: username.to_owned(),
        password: password.to_owned(),
    }
}

#[tokio::test]
async fn without_a_file_or_an_entry_there_are_none() {
    let docker = Docker::new(&json!({}));
    assert_eq!(docker.load("ghcr.io").await, Ok(None));
    std::fs::remove_file(docker.0.path().join("config.json")).expect("removed");
    assert_eq!(docker.load("ghcr.io").await, Ok(None));
}

#[tokio::test]
async fn entries_are_read_as_docker_login_writes_them() {
    let auth = STANDARD.encode("me:pass:with:colons");
    let docker = Docker::new(
        &json!({ "auths": { "ghcr.io": { "auth": auth }, "broken.example": { "auth": 5 } } }),
    );
    assert_eq!(
        docker.load("ghcr.io").await,
        Ok(Some(basic("me", "pass:with:colons")))
    );
    assert_eq!(docker.load("other.example").await, Ok(None));
    assert!(docker.load("broken.example").await.is_err());
    // Read afresh: a new login counts at once.
    let auth = STANDARD.encode("me:new");
    docker.write(&json!({ "auths": { "https://ghcr.io/v1/": { "auth": auth } } }).to_string());
    assert_eq!(docker.load("ghcr.io").await, Ok(Some(basic("me", "new"))));
}

#[tokio::test]
async fn a_helper_is_asked_for_the_registry_on_its_standard_input() {
    let docker = Docker::new(
        &json!({ "credHelpers": { "ghcr.io": "mine" }, "auths": { "ghcr.io": { "auth": "bm86bm8=" } } }),
    );
    docker.helper("mine", "read server; printf '{\"ServerURL\":\"%s\",\"Username\":\"%s\",\"Secret\":\"s\"}' \"$server\" \"$1-$server\"");
    assert_eq!(
        docker.load("ghcr.io").await,
        Ok(Some(basic("get-ghcr.io", "s")))
    );
}

#[tokio::test]
async fn the_general_helper_may_give_an_identity_token_or_nothing() {
    let docker = Docker::new(&json!({ "credsStore": "all" }));
    docker.helper(
        "all",
        "cat >/dev/null; echo '{\"Username\":\"<token>\",\"Secret\":\"refresh\"}'",
    );
    assert_eq!(
        docker.load("ghcr.io").await,
        Ok(Some(RegistryAuth::IdentityToken("refresh".to_owned())))
    );
    docker.helper(
        "all",
        "cat >/dev/null; echo 'credentials not found in native keychain'; exit 1",
    );
    assert_eq!(docker.load("ghcr.io").await, Ok(None));
}

#[tokio::test]
async fn a_helper_that_hangs_is_killed_with_its_children() {
    let docker = Docker::new(&json!({ "credHelpers": { "ghcr.io": "slow" } }));
    docker.helper("slow", "sleep 300 & echo $! > $HERE/child; wait");
    let begun = Instant::now();
    let error = docker
        .load("ghcr.io")
        .await
        .expect_err("out of time")
        .to_string();
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(
        error.contains("docker-credential-slow") && error.contains("killed"),
        "{error}"
    );
    let child = std::fs::read_to_string(docker.0.path().join("child")).expect("it began");
    let child = format!("/proc/{}/stat", child.trim());
    crate::harness::until("the child is gone", Duration::from_secs(30), || {
        // A zombie has ended: where nobody reaps it, it stays to be seen.
        std::fs::read_to_string(&child).map_or(true, |stat| stat.contains(") Z"))
    });
}

#[tokio::test]
async fn what_a_failing_helper_says_is_not_repeated() {
    for script in [
        format!("cat >/dev/null; echo {SECRET}; echo {SECRET} >&2; exit 3"),
        format!("cat >/dev/null; echo '{{\"Username\": {SECRET}'"),
        format!("cat >/dev/null; echo '[\"{SECRET}\"]'"),
        "cat >/dev/null; head -c 1000000 /dev/zero".to_owned(),
    ] {
        let docker = Docker::new(&json!({ "credHelpers": { "ghcr.io": "bad" } }));
        docker.helper("bad", &script);
        let error = docker.load("ghcr.io").await.expect_err(&script);
        assert!(!format!("{error} {error:?}").contains(SECRET), "{error}");
    }
    let docker = Docker::new(&json!({ "credHelpers": { "ghcr.io": "missing" } }));
    let error = docker
        .load("ghcr.io")
        .await
        .expect_err("no such program")
        .to_string();
    assert!(error.contains("docker-credential-missing"), "{error}");
}

#[tokio::test]
async fn a_helpers_name_leads_nowhere_else_and_a_broken_file_is_named() {
    for name in ["../../bin/sh", "a/b", "", "-x y"] {
        let docker = Docker::new(&json!({ "credHelpers": { "ghcr.io": name } }));
        let loaded = docker.load("ghcr.io").await;
        assert!(loaded.is_err() || loaded == Ok(None), "{name}: {loaded:?}");
    }
    let docker = Docker::new(&json!({}));
    docker.write(&format!("{{\"auths\": {SECRET}"));
    let error = docker
        .load("ghcr.io")
        .await
        .expect_err("no JSON")
        .to_string();
    assert!(
        error.contains("config.json") && !error.contains(SECRET),
        "{error}"
    );
}

#[test]
fn credentials_show_no_secret_when_they_are_printed() {
    let debug = format!(
        "{:?} {:?}",
        basic("me", SECRET),
        RegistryAuth::IdentityToken(SECRET.to_owned())
    );
    assert!(!debug.contains(SECRET), "{debug}");
}
