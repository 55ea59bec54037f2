//! Everything under `deploy/` is parsed here: a file that is broken, or a new one that nobody checks, fails.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use deploy_agent::domain::Environment;
use deploy_agent::settings::Settings;
use serde_json::Value;

/// What stopping may take on top of an operation's budget.
const STOP_MARGIN: Duration = Duration::from_secs(30);
/// How soon a wedged agent must be found.
const LONGEST_WATCHDOG: u64 = 60;

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

pub fn yaml(file: &str) -> Value {
    serde_saphyr::from_str(&read(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The assignments of a unit file in order, each with its section.
fn unit(file: &str) -> Vec<(String, String, String)> {
    let mut section = String::new();
    let mut found = Vec::new();
    for line in read(file).lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            section = name.to_owned();
        } else {
            let (name, value) = line
                .split_once('=')
                .unwrap_or_else(|| panic!("{file}: {line:?} is no assignment"));
            found.push((section.clone(), name.to_owned(), value.to_owned()));
        }
    }
    found
}

/// The last value of a name.
fn value<'a>(unit: &'a [(String, String, String)], section: &str, name: &str) -> &'a str {
    let found = unit
        .iter()
        .rev()
        .find(|line| line.0 == section && line.1 == name);
    &found
        .unwrap_or_else(|| panic!("[{section}] has no {name}="))
        .2
}

fn seconds(unit: &[(String, String, String)], name: &str) -> u64 {
    let text = value(unit, "Service", name);
    text.parse()
        .unwrap_or_else(|_| panic!("{name}={text} is not in seconds"))
}

fn settings(environment: &str) -> Settings {
    parsed(
        environment,
        &read(&format!("deploy/settings/{environment}.env")),
    )
}

/// Parses settings as on a host where the environment's volumes exist.
fn parsed(environment: &str, text: &str) -> Settings {
    let directory = tempfile::tempdir().expect("a directory");
    let volumes = format!("/opt/dreichor/{environment}/volumes");
    let stand_in = directory.path().join(environment);
    for volume in ["audit-events", "snapshots"] {
        std::fs::create_dir_all(stand_in.join(volume)).expect("made");
        assert!(text.contains(&format!("={volumes}/{volume}\n")), "{volume}");
    }
    let file = directory.path().join(".env");
    let text = text.replace(&volumes, &stand_in.display().to_string());
    std::fs::write(&file, text).expect("written");
    Settings::from_file(&file).unwrap_or_else(|error| panic!("{environment}: {error}"))
}

const UNIT: &str = "deploy/dreichor-deploy-agent@.service";
const TUNNEL_UNIT: &str = "deploy/tunnel/dreichor-tunnel@.service";

#[test]
fn every_file_of_the_host_is_checked_by_some_test() {
    let known = [
        "README.md",
        "alert/dreichor-alert@.service",
        "alert/mail",
        "alert/watch",
        "alert/webhook",
        "debian/postinst",
        "debian/postrm",
        "debian/prerm",
        "dreichor-deploy-agent@.service",
        "dreichor-deploy-agent@.socket",
        "install",
        "moving.md",
        "network.conf",
        "package/README.Debian",
        "package/build",
        "package/changelog",
        "package/commands.rs",
        "package/copyright",
        "package/dreichor-deploy-agent-setup.8",
        "package/dreichor-operator.1",
        "package/licences.rs",
        "package/main.rs",
        "package/sbom.rs",
        "prometheus/rules.yml",
        "prometheus/tests.yml",
        "settings/dev.env",
        "settings/prod.env",
        "settings/runtime.env",
        "tunnel/README.md",
        "tunnel/dev.yml",
        "tunnel/dreichor-tunnel@.service",
        "tunnel/prod.yml",
    ];
    let mut found = files_below(&root().join("deploy"));
    found.sort();
    assert_eq!(
        found, known,
        "a file under deploy/ is checked by a test, then named here"
    );
}

pub fn files_below(directory: &Path) -> Vec<String> {
    fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory)
            .expect("listed")
            .map(|entry| entry.expect("read").path())
        {
            if entry.is_dir() {
                walk(&entry, found);
            } else {
                found.push(entry);
            }
        }
    }
    let mut found = Vec::new();
    walk(directory, &mut found);
    let relative = |path: PathBuf| Some(path.strip_prefix(directory).ok()?.to_str()?.to_owned());
    found.into_iter().filter_map(relative).collect()
}

#[test]
fn the_unit_gives_a_stop_the_default_budget_and_thirty_seconds() {
    let unit = unit(UNIT);
    let budget = settings("prod").operation.budget;
    let stop = Duration::from_secs(seconds(&unit, "TimeoutStopSec"));
    assert!(
        stop >= budget + STOP_MARGIN,
        "TimeoutStopSec={stop:?}, budget {budget:?}"
    );
    assert!((1..=LONGEST_WATCHDOG).contains(&seconds(&unit, "WatchdogSec")));
    assert!(
        seconds(&unit, "TimeoutAbortSec") <= LONGEST_WATCHDOG,
        "a frozen agent is not waited for"
    );
}

#[test]
fn the_unit_survives_docker_and_does_not_restart_into_wrong_settings() {
    let unit = unit(UNIT);
    let wants = |line: &&(String, String, String)| line.1 == "Wants";
    let wanted: Vec<_> = unit.iter().filter(wants).map(|line| &line.2).collect();
    assert!(wanted.iter().any(|units| units.contains("docker.service")));
    let after =
        |line: &(String, String, String)| line.1 == "After" && line.2.contains("docker.service");
    assert!(unit.iter().any(after));
    for name in ["Requires", "BindsTo", "PartOf", "Requisite"] {
        assert!(
            !unit.iter().any(|line| line.1 == name),
            "{name}= would end the agent with Docker"
        );
    }
    assert_eq!(value(&unit, "Service", "Type"), "notify");
    assert_eq!(value(&unit, "Service", "Restart"), "on-failure");
    assert_eq!(value(&unit, "Service", "RestartPreventExitStatus"), "78");
    assert_eq!(
        value(&unit, "Service", "EnvironmentFile"),
        "/opt/dreichor/%i/deploy-agent/.env"
    );
}

#[test]
fn the_port_is_systemds_and_a_stop_of_the_agent_closes_it() {
    let (agent, socket) = (unit(UNIT), unit("deploy/dreichor-deploy-agent@.socket"));
    let wants: Vec<&str> = agent
        .iter()
        .filter(|line| line.1 == "Wants")
        .flat_map(|line| line.2.split(' '))
        .collect();
    assert!(
        wants.contains(&"dreichor-deploy-agent@%i.socket"),
        "{wants:?}"
    );
    assert!(
        !socket.iter().any(|line| line.1.starts_with("Listen")),
        "its addresses are of the settings"
    );
    assert_eq!(value(&socket, "Unit", "StopWhenUnneeded"), "yes");
}

#[test]
fn the_drop_in_opens_the_network_and_nothing_else() {
    let lines = unit("deploy/network.conf");
    let names: Vec<_> = lines
        .iter()
        .map(|(section, name, value)| (section.as_str(), name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("Service", "IPAddressDeny", ""),
            ("Service", "IPAddressAllow", "")
        ]
    );
}

#[test]
fn the_settings_examples_are_accepted_and_keep_the_environments_apart() {
    let (dev, prod) = (settings("dev"), settings("prod"));
    assert_eq!(dev.environment, Environment::Dev);
    assert_eq!(prod.environment, Environment::Prod);
    assert_eq!((dev.port, prod.port), (3005, 3006));
    assert_ne!(dev.runtime.container_name, prod.runtime.container_name);
    for (settings, own) in [(&dev, "/opt/dreichor/dev/"), (&prod, "/opt/dreichor/prod/")] {
        for path in [&settings.runtime.env_file, &settings.state_directory] {
            assert!(path.starts_with(own), "{} is not of {own}", path.display());
        }
    }
}

/// What is commented out must be right too: it is what an operator switches on.
#[test]
fn what_the_settings_examples_comment_out_is_accepted_as_well() {
    let key = root().join("tests/fuzz/targets/signature.pub");
    let hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    for environment in ["dev", "prod"] {
        let text = read(&format!("deploy/settings/{environment}.env"));
        let assignment = |line: &str| {
            let name = line.split('=').next().unwrap_or_default();
            line.contains('=')
                && name
                    .bytes()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        };
        let mut switched_on = 0;
        let all: Vec<String> = text
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if assignment(rest) => {
                    switched_on += 1;
                    match rest {
                        _ if rest.starts_with("SIGNATURE_KEYS=") => {
                            format!("SIGNATURE_KEYS={}", key.display())
                        }
                        "CF_ACCESS_CLIENT_SECRET_SHA256=" => format!("{rest}{hash}"),
                        "CF_ACCESS_AUD=" => format!("{rest}{hash}"),
                        _ => rest.to_owned(),
                    }
                }
                _ => line.to_owned(),
            })
            .collect();
        assert!(switched_on > 12, "{switched_on} defaults are shown");
        let full = parsed(environment, &(all.join("\n") + "\n"));
        let plain = settings(environment);
        assert_eq!(full.operation.budget, plain.operation.budget);
        assert_eq!(full.operation.stop_grace, plain.operation.stop_grace);
        assert_eq!(full.queue_capacity, plain.queue_capacity);
        assert_eq!(full.runtime.env_file, plain.runtime.env_file);
        assert_eq!(full.runtime.repository, plain.runtime.repository);
        assert_eq!(full.runtime.network, plain.runtime.network);
    }
}

/// What cloudflared reads in a configuration: the fields of its `Configuration`, and its options by name.
const TOP: [&str; 22] = [
    "tunnel",
    "credentials-file",
    "credentials-contents",
    "ingress",
    "originRequest",
    "warp-routing",
    "origincert",
    "no-autoupdate",
    "autoupdate-freq",
    "grace-period",
    "loglevel",
    "logfile",
    "log-directory",
    "transport-loglevel",
    "metrics",
    "pidfile",
    "protocol",
    "region",
    "edge-ip-version",
    "edge-bind-address",
    "retries",
    "tag",
];
const RULE: [&str; 4] = ["hostname", "path", "service", "originRequest"];
const ORIGIN: [&str; 19] = [
    "access",
    "bastionMode",
    "caPool",
    "connectTimeout",
    "disableChunkedEncoding",
    "http2Origin",
    "httpHostHeader",
    "ipRules",
    "keepAliveConnections",
    "keepAliveTimeout",
    "matchSNItoHost",
    "noHappyEyeballs",
    "noTLSVerify",
    "originServerName",
    "proxyAddress",
    "proxyPort",
    "proxyType",
    "tcpKeepAlive",
    "tlsTimeout",
];
const ACCESS: [&str; 4] = ["required", "teamName", "audTag", "environment"];

fn only(what: &str, object: &Value, known: &[&str]) {
    for key in object
        .as_object()
        .unwrap_or_else(|| panic!("{what} is no mapping"))
        .keys()
    {
        assert!(
            known.contains(&key.as_str()),
            "{what}: cloudflared knows no {key:?} and would only warn"
        );
    }
}

fn duration(text: &Value) -> Duration {
    let text = text
        .as_str()
        .unwrap_or_else(|| panic!("{text} is no duration"));
    let number = text
        .strip_suffix('s')
        .and_then(|number| number.parse().ok());
    Duration::from_secs(number.unwrap_or_else(|| panic!("{text:?} is not in seconds")))
}

#[test]
fn the_tunnels_check_access_and_wait_for_a_deploy() {
    let mut seen = BTreeMap::new();
    for environment in ["dev", "prod"] {
        let file = format!("deploy/tunnel/{environment}.yml");
        let tunnel = yaml(&file);
        let settings = settings(environment);
        only(&file, &tunnel, &TOP);
        let grace = duration(&tunnel["grace-period"]);
        assert!(grace > settings.operation.budget, "{file}");
        let stop = seconds(&unit(TUNNEL_UNIT), "TimeoutStopSec");
        assert!(
            Duration::from_secs(stop) > grace,
            "the unit outwaits cloudflared"
        );
        let rules = tunnel["ingress"].as_array().expect("rules");
        let [rule, last] = rules.as_slice() else {
            panic!("{file}: one rule and the last one");
        };
        only(&file, rule, &RULE);
        only(&file, last, &RULE);
        assert_eq!(last["service"], "http_status:404");
        assert_eq!(last.as_object().map(serde_json::Map::len), Some(1));
        let service = format!("http://127.0.0.1:{}", settings.port);
        assert_eq!(rule["service"], service.as_str(), "{file}");
        assert_eq!(rule["path"], "^/v1/(deploy|status|stop)$");
        let origin = &rule["originRequest"];
        only(&file, origin, &ORIGIN);
        assert!(duration(&origin["keepAliveTimeout"]) <= Duration::from_secs(90));
        duration(&origin["connectTimeout"]);
        only(&file, &origin["access"], &ACCESS);
        assert_eq!(origin["access"]["required"], true, "{file}");
        assert!(
            origin["access"]["teamName"]
                .as_str()
                .is_some_and(|team| !team.contains('.')),
            "{file}"
        );
        let audiences = origin["access"]["audTag"].as_array().expect("a list");
        for own in [&tunnel["tunnel"], &rule["hostname"], &audiences[0]] {
            let text = own
                .as_str()
                .unwrap_or_else(|| panic!("{file}: {own} is no text"));
            let other = seen.insert(text.to_owned(), environment);
            assert_eq!(other, None, "{text} is shared by the environments");
        }
    }
}

#[test]
fn a_misspelled_key_of_a_tunnel_is_found() {
    let tunnel: Value = serde_saphyr::from_str("acess: { required: true }").expect("YAML");
    let found = std::panic::catch_unwind(|| only("x", &tunnel, &ORIGIN));
    assert!(found.is_err());
}

#[test]
fn the_tunnel_unit_runs_the_configuration_of_its_instance() {
    let unit = unit(TUNNEL_UNIT);
    let start = value(&unit, "Service", "ExecStart");
    assert!(
        start.contains("--config /etc/cloudflared/dreichor-%i.yml"),
        "{start}"
    );
    assert!(start.contains("--no-autoupdate"), "{start}");
    assert_eq!(value(&unit, "Service", "Type"), "notify");
}

#[test]
fn the_alert_unit_runs_what_the_package_brings_and_reads_the_trail_of_its_instance() {
    let unit = unit("deploy/alert/dreichor-alert@.service");
    let start = value(&unit, "Service", "ExecStart");
    let words: Vec<&str> = start.split(' ').collect();
    assert_eq!(
        words,
        [
            "/usr/lib/dreichor-deploy-agent/watch",
            "/opt/dreichor/%i/deploy-agent/state",
            "/var/cache/dreichor-alert/%i",
            "/etc/dreichor-deploy-agent/alert",
        ]
    );
    assert_eq!(value(&unit, "Service", "User"), "dreichor-%i");
    assert_eq!(value(&unit, "Service", "BindReadOnlyPaths"), words[1]);
    assert_eq!(
        format!("/var/cache/{}", value(&unit, "Service", "CacheDirectory")),
        words[2]
    );
    assert_eq!(
        value(&unit, "Unit", "AssertFileIsExecutable"),
        words[3],
        "without a command there is nothing to run"
    );
    let manifest = read("Cargo.toml");
    for (file, place) in [
        ("alert/watch", "usr/lib/dreichor-deploy-agent/"),
        (
            "alert/mail",
            "usr/share/doc/dreichor-deploy-agent/examples/",
        ),
        (
            "alert/webhook",
            "usr/share/doc/dreichor-deploy-agent/examples/",
        ),
        (
            "prometheus/rules.yml",
            "usr/share/dreichor-deploy-agent/prometheus/",
        ),
    ] {
        assert!(
            manifest.contains(&format!("[\"deploy/{file}\", \"{place}\"")),
            "{file}"
        );
    }
}

#[test]
fn the_example_of_the_runtimes_environment_waits_for_a_database() {
    let text = read("deploy/settings/runtime.env");
    let parsed = deploy_agent::domain::RuntimeEnv::parse(text.as_bytes()).expect("valid");
    assert_eq!(parsed.get("DATABASE_URL"), Some(""));
    assert_eq!(parsed.get("EXECUTION_PLANE"), Some("paper"));
}

/// A page that tells of a setting or a file that is not there misleads.
#[test]
fn the_tunnel_page_names_what_exists() {
    let page = read("deploy/tunnel/README.md");
    for variable in page
        .split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
        .filter(|word| word.starts_with("CF_ACCESS_") && !word.ends_with('_'))
    {
        assert!(
            read("deploy/README.md").contains(variable)
                || read("deploy/settings/dev.env").contains(variable),
            "{variable}"
        );
    }
    for file in ["dev.yml", "prod.yml"] {
        assert!(page.contains(&format!("`{file}`")), "{file}");
    }
    let secrets = read("deploy/tunnel/dev.yml");
    assert!(!secrets.contains("TunnelSecret"));
}

#[test]
fn the_package_holds_every_file_of_the_host() {
    let manifest = read("Cargo.toml");
    let (_, assets) = manifest.split_once("assets = [").expect("assets");
    let (assets, _) = assets.split_once("\n]").expect("their end");
    for file in files_below(&root().join("deploy")) {
        let packed = assets.contains(&format!("\"deploy/{file}\""));
        // What makes the package, and what cargo-deb takes by a key of its own.
        let makes = file.starts_with("debian/") || file.starts_with("package/");
        assert!(packed || makes, "deploy/{file} is not in the package");
    }
}

pub fn scripts() -> Vec<String> {
    [
        "deploy/install",
        "deploy/alert/watch",
        "deploy/alert/mail",
        "deploy/alert/webhook",
        "deploy/debian/postinst",
        "deploy/debian/prerm",
        "deploy/debian/postrm",
        "tests/run",
        "tests/bootstrap",
        "tests/engine",
        "tests/engines",
        "tests/plain",
        "examples/benchmark",
        "examples/operator",
        "examples/quickstart",
    ]
    .map(str::to_owned)
    .to_vec()
}

#[test]
fn every_script_parses_and_shellcheck_finds_nothing() {
    for script in scripts() {
        let shell = if read(&script).starts_with("#!/bin/sh") {
            "sh"
        } else {
            "bash"
        };
        let parsed = Command::new(shell)
            .arg("-n")
            .arg(root().join(&script))
            .output()
            .expect("a shell");
        assert!(
            parsed.status.success(),
            "{script}: {}",
            String::from_utf8_lossy(&parsed.stderr)
        );
        let checked = Command::new("shellcheck")
            .args(["--shell", shell, "--severity", "warning"])
            .args(["--external-sources", "--source-path"])
            .arg(root())
            .arg(root().join(&script))
            .output()
            .expect("shellcheck runs; ./tests/run installs it");
        assert!(
            checked.status.success(),
            "{}",
            String::from_utf8_lossy(&checked.stdout)
        );
    }
}
