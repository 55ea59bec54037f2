//! From a bare host to dev and prod, by the package and its installer alone.

use dreichor_test_support::images::ImageSpec;
use serde_json::Value;

use super::host::{Host, unit};
use super::package::VERSION;
use super::registry::REPOSITORY;
use crate::harness::REGISTRY_PASSWORD;

#[test]
fn a_bare_host_becomes_dev_and_prod_that_never_touch_each_other() {
    let mut host = Host::boot();
    for tag in ["1.0.0", "2.0.0", "3.0.0"] {
        host.registry().push(tag, ImageSpec::mode(&["run"]));
    }
    the_package_starts_nothing(&host);
    an_environment_is_set_up_once(&host);
    mixed_environments_are_refused(&host);
    host.ok("dreichor-deploy-agent-setup install prod --no-start");
    assert_eq!(host.property("prod", "ActiveState"), "inactive");
    host.furnish("prod");
    host.ok("dreichor-deploy-agent-setup install prod");
    the_units_are_sound(&host);
    each_deploys_its_own(&host);
    neither_agent_sees_the_other_environment(&host);
    a_login_reaches_the_pull(&host);
    the_journal_tells_levels_and_operations(&host);
    a_reboot_brings_back_what_ran(&mut host);
}

fn the_package_starts_nothing(host: &Host) {
    host.install_package(VERSION);
    let units = host.ok("systemctl list-units --all --no-legend 'dreichor-*'");
    assert_eq!(units, "", "the package alone starts nothing");
    assert_eq!(host.said("test -e /opt/dreichor").0, 1);
    assert_eq!(host.said("getent passwd | grep dreichor").0, 1);
}

fn an_environment_is_set_up_once(host: &Host) {
    let said = host.ok("dreichor-deploy-agent-setup install dev");
    for shown in [
        "+ useradd",
        "+ install --directory",
        "+ systemctl enable",
        "+ systemctl start",
    ] {
        assert!(said.contains(shown), "{shown} is shown:\n{said}");
    }
    assert!(
        said.contains("runtime.env: No such file"),
        "what is missing is shown:\n{said}"
    );
    let mode = host.ok("stat --format '%U %a' /opt/dreichor/dev/deploy-agent/.env /opt/dreichor/dev/deploy-agent/state");
    assert_eq!(mode, "root 600\ndreichor-dev 700");
    host.furnish("dev");
    let before = host.property("dev", "MainPID");
    let again = host.ok("dreichor-deploy-agent-setup install dev");
    let acts = again.lines().filter(|line| line.starts_with("+ "));
    let acts: Vec<_> = acts.filter(|act| !act.contains(" check ")).collect();
    assert_eq!(acts, Vec::<&str>::new(), "a second run does nothing");
    assert_eq!(host.property("dev", "MainPID"), before);
    host.ok(&format!("systemctl restart {}", unit("dev")));
}

fn mixed_environments_are_refused(host: &Host) {
    let wrong = [
        ("ENVIRONMENT=dev", "ENVIRONMENT"),
        ("CONTAINER_NAME=dreichor-runtime-dev", "CONTAINER_NAME"),
        (
            "AUDIT_EVENTS_PATH=/opt/dreichor/dev/volumes/audit-events",
            "AUDIT_EVENTS_PATH",
        ),
        (
            "SNAPSHOTS_PATH=/opt/dreichor/prod/../dev/volumes/snapshots",
            "SNAPSHOTS_PATH",
        ),
        (
            "STATE_DIRECTORY=/opt/dreichor/dev/deploy-agent/state",
            "STATE_DIRECTORY",
        ),
        (
            "RUNTIME_ENV_FILE=/opt/dreichor/dev/runtime.env",
            "RUNTIME_ENV_FILE",
        ),
        ("PORT=3005", "PORT"),
    ];
    for (line, name) in wrong {
        host.furnish("prod");
        host.ok(&format!(
            "echo {line} >>/opt/dreichor/prod/deploy-agent/.env"
        ));
        let (code, said) = host.said("dreichor-deploy-agent-setup install prod");
        assert_eq!(code, 1, "{line} is refused:\n{said}");
        assert!(said.contains("refused: ") && said.contains(name), "{said}");
        assert_eq!(
            host.said("getent passwd dreichor-prod").0,
            2,
            "nothing was done"
        );
    }
    // dev's port is a default that its settings do not name.
    host.furnish("prod");
    host.ok("sed -i /^PORT=/d /opt/dreichor/dev/deploy-agent/.env; echo PORT=3005 >>/opt/dreichor/prod/deploy-agent/.env");
    let (code, said) = host.said("dreichor-deploy-agent-setup install prod");
    assert!(code == 1 && said.contains("PORT=3005"), "{said}");
    host.ok("rm -r /opt/dreichor/prod");
}

fn the_units_are_sound(host: &Host) {
    for environment in ["dev", "prod"] {
        let unit = unit(environment);
        assert_eq!(
            host.ok(&format!("systemd-analyze verify {unit}")),
            "",
            "{unit}"
        );
        let said = host.ok(&format!(
            "systemd-analyze security --no-pager {unit} | tail -n 1"
        ));
        let exposure = said
            .split(": ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next());
        let exposure: f64 = exposure.expect("a score").parse().expect("a number");
        assert!(exposure <= 1.5, "{said}");
        assert_eq!(
            host.property(environment, "User"),
            format!("dreichor-{environment}")
        );
    }
    assert_eq!(
        host.said("systemctl is-enabled dreichor-deploy-agent@dev dreichor-deploy-agent@prod")
            .0,
        0
    );
}

fn each_deploys_its_own(host: &Host) {
    host.deployed("dev", "1.0.0");
    host.deployed("prod", "2.0.0");
    let prod = (host.container("prod"), host.trail("prod").len());
    let dev = host.container("dev");
    assert_ne!(dev, prod.0);
    // A second deploy and a stop of dev: nothing of prod moves.
    host.deployed("dev", "2.0.0");
    assert_eq!(host.ask("dev", "POST", "/v1/stop", "").code, 200);
    assert_eq!(host.status("dev").body["running"], false);
    assert_eq!((host.container("prod"), host.trail("prod").len()), prod);
    let status = host.status("prod");
    assert_eq!(status.body["container_name"], "dreichor-runtime-prod");
    assert_eq!(status.body["image"], format!("{REPOSITORY}:2.0.0"));
    host.deployed("dev", "1.0.0");
    for (own, other) in [("dev", "prod"), ("prod", "dev")] {
        let trail = host.ok(&format!(
            "cat /opt/dreichor/{own}/deploy-agent/state/audit.jsonl"
        ));
        assert!(
            trail.contains(&host.container(own)),
            "{own} records its container"
        );
        assert!(
            !trail.contains(&host.container(other)),
            "{own} knows nothing of {other}'s"
        );
        let environment = host.ok(&format!(
            "docker inspect --format '{{{{.Config.Env}}}}' dreichor-runtime-{own}"
        ));
        assert!(
            environment.contains(&format!("localhost/{own}")),
            "{environment}"
        );
    }
}

fn neither_agent_sees_the_other_environment(host: &Host) {
    for (own, other) in [("dev", "prod"), ("prod", "dev")] {
        let (pid, neighbour) = (
            host.property(own, "MainPID"),
            host.property(other, "MainPID"),
        );
        let inside = format!("nsenter --target {pid} --mount");
        assert_eq!(host.ok(&format!("{inside} ls /opt/dreichor")), own);
        let read = format!("{inside} cat /opt/dreichor/{other}/runtime.env");
        assert!(
            host.said(&read).1.contains("No such file"),
            "not even root, from in there"
        );
        let user = format!("setpriv --reuid dreichor-{own} --regid dreichor-{own} --clear-groups");
        let look = format!("{user} ls -d /proc/{neighbour}");
        assert_eq!(
            host.said(&look).0,
            0,
            "outside of the sandbox its user sees that process"
        );
        assert_ne!(
            host.said(&format!("{inside} {look}")).0,
            0,
            "inside it does not"
        );
        let write = host
            .said(&format!("{inside} touch /opt/dreichor/{own}/runtime.env"))
            .1;
        assert!(write.contains("Read-only file system"), "{write}");
    }
}

fn a_login_reaches_the_pull(host: &Host) {
    host.registry().require_basic("ci", REGISTRY_PASSWORD);
    let refused = host.deploy("prod", "3.0.0");
    assert_eq!(refused.code, 502, "{}", refused.body);
    host.write("/root/password", REGISTRY_PASSWORD);
    let directory = "/opt/dreichor/prod/deploy-agent/docker";
    host.ok(&format!("docker --config {directory} login --username ci --password-stdin 127.0.0.1:5000 </root/password"));
    assert_eq!(
        host.ok(&format!("stat --format '%U %a' {directory}/config.json")),
        "root 600"
    );
    host.ok(&format!("systemctl restart {}", unit("prod")));
    host.deployed("prod", "3.0.0");
    assert!(
        host.registry()
            .seen()
            .iter()
            .any(|seen| seen.user.as_deref() == Some("ci"))
    );
}

fn the_journal_tells_levels_and_operations(host: &Host) {
    let text = host.ok(&format!(
        "journalctl --no-pager --output json --unit {} _COMM=deploy-agent",
        unit("prod")
    ));
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let of = |level: &str| {
        lines
            .iter()
            .filter(|line| line["PRIORITY"] == level)
            .count()
    };
    let (errors, warnings, infos) = (of("3"), of("4"), of("6"));
    assert!(
        errors > 0 && warnings > 0 && infos > 10,
        "{errors} {warnings} {infos}"
    );
    assert_eq!(
        errors + warnings + infos,
        lines.len(),
        "each line has its level"
    );
    let mut running: Option<String> = None;
    let mut seen = 0;
    for line in &lines {
        let message = line["MESSAGE"].as_str().expect("text");
        assert!(
            !message.starts_with('<') && !message.contains(REGISTRY_PASSWORD),
            "{message}"
        );
        let id = message
            .split(' ')
            .find_map(|word| word.strip_prefix("operation="));
        if let Some(running) = &running {
            assert_eq!(
                id,
                Some(running.as_str()),
                "a line of the operation names it: {message}"
            );
            seen += 1;
        }
        if message.contains(" begins, ") {
            running = id.map(str::to_owned);
        } else if message.contains(" audit head ") {
            running = None;
        }
    }
    assert!(seen > 20, "{seen} lines of operations");
}

fn a_reboot_brings_back_what_ran(host: &mut Host) {
    assert_eq!(host.ask("prod", "POST", "/v1/stop", "").code, 200);
    let before = host.container("dev");
    let started = host.status("dev").body["started_at"].clone();
    host.reboot();
    for environment in ["dev", "prod"] {
        let name = unit(environment);
        host.until(
            "the agent is back",
            20,
            &format!("systemctl is-active {name}"),
        );
        let said = host.ok(&format!("journalctl --no-pager --unit {name}"));
        assert!(
            said.contains("SIGTERM: nothing more is admitted"),
            "it ended in order:\n{said}"
        );
    }
    host.until(
        "dev's runtime is back",
        20,
        "ask dev GET /v1/status | grep '\"running\":true'",
    );
    assert_eq!(host.container("dev"), before, "as the restart policy says");
    assert_ne!(host.status("dev").body["started_at"], started);
    let prod = host.status("prod");
    assert_eq!(
        (prod.code, &prod.body["running"]),
        (200, &Value::Bool(false))
    );
    host.ok("deploy-agent verify /opt/dreichor/dev/deploy-agent/state");
}
