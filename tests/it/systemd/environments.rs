//! What must hold of dev and prod on one host; the parts of the test in `bare_host`, in its order.

use serde_json::Value;

use super::agents::unit;
use super::host::Host;
use super::registry::REPOSITORY;
use crate::harness::REGISTRY_PASSWORD;

pub fn each_deploys_its_own(host: &Host) {
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

pub fn neither_agent_sees_the_other_environment(host: &Host) {
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

pub fn a_login_reaches_the_pull(host: &Host) {
    host.registry().require_basic("ci", REGISTRY_PASSWORD);
    let refused = host.deploy("prod", "3.0.0");
    assert_eq!(refused.code, 502, "{}", refused.body);
    host.write("/srv/password", REGISTRY_PASSWORD);
    let directory = "/opt/dreichor/prod/deploy-agent/docker";
    host.ok(&format!("docker --config {directory} login --username ci --password-stdin 127.0.0.1:5000 </srv/password"));
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

pub fn the_journal_tells_levels_and_operations(host: &Host) {
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

pub fn a_reboot_brings_back_what_ran(host: &mut Host) {
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
