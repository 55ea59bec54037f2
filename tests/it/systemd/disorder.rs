//! What the installer and its check make of a host on which somebody has changed things by hand; parts of the test in
//! `removal`.

use super::agents::unit;
use super::host::Host;

const ENV: &str = "deploy-agent/.env";

/// Nothing of it changes the host, and each problem is named.
pub fn a_check_starts_nothing_and_compares_the_environments(host: &Host) {
    let check = "dreichor-deploy-agent-setup check";
    host.ok(
        "cd /opt/dreichor && for e in dev prod; do cp -p $e/deploy-agent/.env /srv/$e.env; done",
    );
    let problem = |environment: &str, named: &str| {
        let (code, said) = host.said(&format!("{check} {environment}"));
        assert_eq!(code, 78, "{said}");
        assert!(
            said.contains(&format!("problem: {named}")) && !said.contains("\nok: "),
            "{said}"
        );
    };
    host.ok(&format!(
        "mkdir -p /srv/shared && cd /opt/dreichor && \
         for e in dev prod; do echo AUDIT_EVENTS_PATH=/srv/shared >>$e/{ENV}; done"
    ));
    for environment in ["dev", "prod"] {
        problem(environment, "AUDIT_EVENTS_PATH /srv/shared is the same as");
    }
    host.ok(&format!("cd /opt/dreichor && cp /srv/dev.env prod/{ENV}"));
    let file = format!("/opt/dreichor/prod/{ENV}");
    problem("prod", &format!("{file} has ENVIRONMENT=dev, this is prod"));
    host.ok(&format!(": >{file}"));
    problem("prod", &format!("{file} is empty"));
    host.ok(&format!("cp /srv/prod.env {file} && chmod 666 {file}"));
    let (code, said) = host.said("dreichor-deploy-agent-setup install prod");
    assert!(
        code == 1 && said.contains("has mode 666, so that others may write it"),
        "{said}"
    );
    host.ok(
        "cd /opt/dreichor && for e in dev prod; do cp -p /srv/$e.env $e/deploy-agent/.env; done",
    );
    host.ok(&format!("{check} prod"));
    // A runtime that was shut down with its engine stays down.
    host.ok("systemctl stop docker.socket docker.service");
    let (code, said) = host.said(&format!("{check} dev"));
    assert_eq!(code, 1, "{said}");
    assert_eq!(host.said("systemctl is-active docker").0, 3);
    let check_unit = "dreichor-deploy-agent-check@dev.service";
    let said = host.ok(&format!("journalctl --no-pager --unit {check_unit}"));
    assert!(
        said.contains("Check of the Dreichor deploy agent (dev)")
            && !said.contains("- Dreichor deploy agent (dev)"),
        "{said}"
    );
    host.ok("systemctl start docker.socket docker.service");
    for environment in ["dev", "prod"] {
        host.until(
            "the runtime is back",
            30,
            &format!("ask {environment} GET /v1/status | grep '\"running\":true'"),
        );
    }
}

pub fn an_install_repairs_what_keeps_an_agent_from_starting(host: &Host) {
    let (name, state) = (unit("dev"), "/opt/dreichor/dev/deploy-agent/state");
    // As a copy is that root has put back.
    host.ok(&format!(
        "systemctl stop {name} && chown root:root {state}/audit.jsonl"
    ));
    host.ok("dreichor-deploy-agent-setup install dev");
    assert_eq!(host.status("dev").code, 200);
    let others = host.ok(&format!("find {state} ! -user dreichor-dev"));
    assert_eq!(others, "");
    // More starts by hand than the unit takes in five minutes.
    let (_, said) = host.said(&format!(
        "for i in $(seq 12); do systemctl restart {name} || exit; done"
    ));
    assert_eq!(host.property("dev", "Result"), "start-limit-hit", "{said}");
    host.ok("dreichor-deploy-agent-setup install dev");
    assert_eq!(host.status("dev").code, 200);
}
