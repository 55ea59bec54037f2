//! A credential helper: a foreign program that may hang, chatter or fail, and must not hold anything up.

use std::ffi::OsString;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::error::CredentialsError;
use super::registry_auth::RegistryAuth;

/// Credentials have a few hundred bytes, tokens a few KiB.
const OUTPUT_LIMIT: u64 = 64 * 1024;

/// What a helper of Docker prints, on standard output, when it knows nothing; part of its protocol.
const NOT_FOUND: &str = "credentials not found in native keychain";

/// The user name by which a helper says that the secret is an identity token.
const TOKEN_USER: &str = "<token>";

/// What a helper sees besides `DOCKER_CONFIG`: enough to find programs and settings, and nothing of the
/// agent's own environment besides.
#[derive(Debug, Clone, Default)]
pub struct HelperEnvironment {
    /// `PATH`: also where the helper itself is looked for.
    pub path: Option<OsString>,
    /// `HOME`, which a service may not have.
    pub home: Option<OsString>,
}

impl HelperEnvironment {
    /// That of the agent.
    pub fn of_this_process() -> Self {
        Self {
            path: std::env::var_os("PATH"),
            home: std::env::var_os("HOME"),
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Username")]
    username: String,
    #[serde(rename = "Secret")]
    secret: String,
}

/// Asks `docker-credential-<name>` for `server`.
///
/// Cancel-safe: the helper is killed when the future is dropped.
pub(super) async fn get(
    name: &str,
    server: &str,
    docker_config: &Path,
    deadline: Duration,
    environment: &HelperEnvironment,
) -> Result<Option<RegistryAuth>, CredentialsError> {
    let failed = |what| CredentialsError::Helper {
        helper: name.to_owned(),
        what,
    };
    // Out of time, the child is dropped with the future, and so killed.
    let (status, output) = timeout(deadline, run(name, server, docker_config, environment))
        .await
        .map_err(|_| failed("did not answer in time and was killed"))?
        .map_err(failed)?;
    if !status.success() {
        return match output.trim_ascii() == NOT_FOUND.as_bytes() {
            true => Ok(None),
            false => Err(failed(
                "failed (run it by hand to see why: its output may hold secrets)",
            )),
        };
    }
    let answer: Answer = serde_json::from_slice(&output)
        .map_err(|_| failed("did not print the JSON of credentials"))?;
    Ok(match answer.username.as_str() {
        "" if answer.secret.is_empty() => None,
        TOKEN_USER => Some(RegistryAuth::IdentityToken(answer.secret)),
        _ => Some(RegistryAuth::Basic {
            username: answer.username,
            password: answer.secret,
        }),
    })
}

/// Runs it to its end. Whatever ends early (too much output, the deadline, a dropped future) kills it.
async fn run(
    name: &str,
    server: &str,
    docker_config: &Path,
    environment: &HelperEnvironment,
) -> Result<(ExitStatus, Vec<u8>), &'static str> {
    let mut child =
        command(name, docker_config, environment)
            .spawn()
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => "is not installed on the PATH of the agent",
                _ => "could not be run",
            })?;
    // Declared after the child, so dropped before it: the group is killed while its leader is not yet
    // reaped, when its number cannot belong to anybody else.
    let group = Group(child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)));
    let broke_off = |_| "broke off";
    let output = talk(&mut child, server).await.map_err(broke_off)?;
    if output.len() as u64 > OUTPUT_LIMIT {
        return Err("printed too much");
    }
    let status = child.wait().await.map_err(broke_off)?;
    group.leave_alone();
    Ok((status, output))
}

/// Kills the helper and what it has started: a script's own child would outlive the script.
struct Group(Option<Pid>);

impl Group {
    /// The helper ended by itself; what it left running is meant to run.
    fn leave_alone(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may have ended in this very moment; then there is nothing to kill.
            kill_process_group(group, Signal::KILL).ok();
        }
    }
}

fn command(name: &str, docker_config: &Path, environment: &HelperEnvironment) -> Command {
    let mut command = Command::new(format!("docker-credential-{name}"));
    let kept = [("PATH", &environment.path), ("HOME", &environment.home)];
    let kept = kept
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_ref()?)));
    command
        .arg("get")
        .env_clear()
        .envs(kept)
        .env("DOCKER_CONFIG", docker_config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // Not into the journal: it may hold secrets.
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    command
}

/// Hands over the server's name and takes what is printed, a little past the bound at most.
async fn talk(child: &mut Child, server: &str) -> std::io::Result<Vec<u8>> {
    if let Some(mut stdin) = child.stdin.take() {
        // A helper may answer without reading; what it printed decides, not the broken pipe.
        stdin.write_all(server.as_bytes()).await.ok();
    }
    let mut output = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout
            .take(OUTPUT_LIMIT + 1)
            .read_to_end(&mut output)
            .await?;
    }
    Ok(output)
}
