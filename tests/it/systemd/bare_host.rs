//! From a bare host to dev and prod, by the package and its installer alone.

use std::path::Path;

use dreichor_test_support::images::ImageSpec;

use super::agents::unit;
use super::environments::{
    a_login_reaches_the_pull, a_reboot_brings_back_what_ran, each_deploys_its_own,
    neither_agent_sees_the_other_environment, the_journal_tells_levels_and_operations,
};
use super::host::Host;
use super::package::VERSION;
use super::registry::REPOSITORY;

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
    let refused = host.deploy("prod", "1.0.0");
    assert_eq!(refused.code, 409, "{}", refused.body);
    host.acknowledge("prod");
    the_units_are_sound(&host);
    a_check_sees_what_the_service_sees(&host);
    each_deploys_its_own(&host);
    the_commands_of_the_page_work(&host);
    the_first_deploy_goes_as_the_package_tells(&host);
    the_operator_is_told_of_what_failed(&host);
    neither_agent_sees_the_other_environment(&host);
    a_login_reaches_the_pull(&host);
    the_journal_tells_levels_and_operations(&host);
    a_reboot_brings_back_what_ran(&mut host);
}

/// Each command that the page shows for the host's everyday, as it stands there.
fn the_commands_of_the_page_work(host: &Host) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/README.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let section = page.split("\n## Operate\n").nth(1).expect("a section");
    let table = section.split("\n## ").next().expect("its end");
    let ours = [
        "deploy-agent ",
        "dreichor-deploy-agent-setup ",
        "systemctl ",
        "journalctl ",
        "docker ",
    ];
    // Taken off and stopped elsewhere; what goes through Access needs Cloudflare.
    let elsewhere = ["uninstall", "systemctl stop"];
    let code = table
        .lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2));
    let shown = code.filter(|code| ours.iter().any(|program| code.starts_with(program)));
    let run: Vec<_> = shown
        .filter(|code| !elsewhere.iter().any(|other| code.contains(other)))
        .collect();
    for command in &run {
        host.ok(&command.replace("TAG", "3.0.0"));
    }
    assert!(run.len() >= 8, "{run:?}");
    assert_eq!(host.said("dreichor-operator").0, 64);
}

/// What `README.Debian` shows, line for line, but for the names of image and registry and the editing of files.
fn the_first_deploy_goes_as_the_package_tells(host: &Host) {
    let page = host.ok("cat /usr/share/doc/dreichor-deploy-agent/README.Debian");
    let joined = page.replace("\\\n", " ");
    let commands = joined.lines().filter_map(|line| {
        let line = line.trim_start_matches(|c: char| c == ' ' || c == '.' || c.is_ascii_digit());
        let shown = line.starts_with("dreichor-deploy-agent-setup ")
            || line.starts_with("systemctl ")
            || line.starts_with("curl ")
            || line.starts_with("deploy-agent ");
        let piped = match line.trim_end() {
            "deploy-agent hash-secret" => "openssl rand -hex 32 | deploy-agent hash-secret",
            line => line,
        };
        shown.then(|| piped.replace("REPOSITORY:TAG", &format!("{REPOSITORY}:1.0.0")))
    });
    let mut said = String::new();
    let mut count = 0;
    for command in commands {
        said += &host.ok(&command);
        count += 1;
    }
    assert!(count >= 7, "{count} commands");
    assert!(said.contains("\"status\":\"deployed\""), "{said}");
    assert!(said.contains("\"status\":\"stopped\""), "{said}");
    assert!(said.contains("nothing is doubted"), "{said}");
    host.deployed("dev", "1.0.0");
}

/// By a command of the operator's, and by the metrics file that any user may read.
fn the_operator_is_told_of_what_failed(host: &Host) {
    let (seen, told) = (
        "/var/cache/dreichor-alert/dev/seen",
        "/var/cache/dreichor-alert/dev/told",
    );
    let metrics = "/var/cache/dreichor-metrics/dev/dreichor-dev.prom";
    host.ok("mkdir -p /etc/dreichor-deploy-agent");
    host.write(
        "/etc/dreichor-deploy-agent/alert",
        &format!("#!/bin/sh\nexec cat >>{seen}\n"),
    );
    host.ok(
        "chmod 755 /etc/dreichor-deploy-agent/alert && systemctl enable --now dreichor-alert@dev",
    );
    host.until("the alert unit has begun", 20, &format!("test -e {told}"));
    let file = "/opt/dreichor/dev/deploy-agent/.env";
    host.ok(&format!(
        "echo METRICS_FILE={metrics} >>{file} && systemctl restart {}",
        unit("dev")
    ));
    let failed = host.deploy("dev", "9.9.9");
    assert_eq!(failed.code, 502, "{}", failed.body);
    host.until(
        "the operator's command was told",
        20,
        &format!("grep --quiet :9.9.9 {seen}"),
    );
    let count = r#"^dreichor_operations_total\{.*outcome="failed".*\} [1-9]"#;
    let read = format!(
        "setpriv --reuid nobody --clear-groups grep --quiet --extended-regexp '{count}' {metrics}"
    );
    host.until("the metrics count it", 20, &read);
    host.ok("systemctl disable --now dreichor-alert@dev");
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
        said.contains("DATABASE_URL"),
        "what is missing is shown:\n{said}"
    );
    let mode = host.ok("cd /opt/dreichor/dev && stat --format '%U %a' deploy-agent/.env runtime.env deploy-agent/state");
    assert_eq!(mode, "root 600\nroot 600\ndreichor-dev 700");
    host.furnish("dev");
    let before = host.property("dev", "MainPID");
    let again = host.ok("dreichor-deploy-agent-setup install dev");
    let acts = again.lines().filter(|line| line.starts_with("+ "));
    let acts: Vec<_> = acts.filter(|act| !act.contains(" check ")).collect();
    assert_eq!(acts, Vec::<&str>::new(), "a second run does nothing");
    assert_eq!(host.property("dev", "MainPID"), before);
    host.ok(&format!("systemctl restart {}", unit("dev")));
}

/// What root can see and the unit cannot is found by the check that runs as the unit, and by no other.
fn a_check_sees_what_the_service_sees(host: &Host) {
    let check = "dreichor-deploy-agent-setup check dev";
    let said = host.ok(check);
    assert!(
        said.contains("ok: a deploy would find everything"),
        "{said}"
    );
    assert!(said.contains("in use by the agent that runs"), "{said}");
    let file = "/opt/dreichor/dev/deploy-agent/.env";
    host.ok(&format!(
        "cp {file} /srv/kept.env && mkdir -p /home/audit /srv/audit && echo AUDIT_EVENTS_PATH=/home/audit >>{file}"
    ));
    host.ok(&format!("deploy-agent check --env-file {file}"));
    let (code, said) = host.said(check);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("problem: AUDIT_EVENTS_PATH /home/audit"),
        "{said}"
    );
    host.ok(&format!(
        "cp /srv/kept.env {file} && chmod 755 /opt/dreichor/dev/deploy-agent/state"
    ));
    let (code, said) = host.said(check);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("problem: STATE_DIRECTORY") && said.contains("mode 0755"),
        "{said}"
    );
    host.ok("chmod 700 /opt/dreichor/dev/deploy-agent/state");
    host.ok(&format!("echo export PORT=3005 >>{file}"));
    let (code, said) = host.said(check);
    assert_eq!(code, 78, "{said}");
    assert!(said.contains("begins with export"), "{said}");
    // With such a file systemd starts nothing at all, no check either.
    host.ok(&format!("printf 'A=1\\0\\n' >>{file}"));
    let (code, said) = host.said(check);
    assert_eq!(code, 78, "{said}");
    assert!(said.contains("holds a NUL byte"), "{said}");
    host.ok(&format!("cp /srv/kept.env {file}"));
    host.ok(check);
    let units = host.ok("systemctl list-units --all --no-legend 'dreichor-deploy-agent-check*'");
    assert_eq!(units, "", "the check leaves no unit behind");
    the_agent_waits_for_the_disks_of_its_binds(host, file);
}

/// A directory that is not there yet ends no agent; its disk is waited for.
fn the_agent_waits_for_the_disks_of_its_binds(host: &Host, file: &str) {
    host.ok(&format!("echo AUDIT_EVENTS_PATH=/srv/disk/audit >>{file}"));
    let said = host.ok("dreichor-deploy-agent-setup install dev");
    assert!(said.contains("/srv/disk/audit"), "{said}");
    let after = host.property("dev", "After");
    assert!(after.contains("srv-disk.mount"), "{after}");
    host.ok(&format!("systemctl restart {}", unit("dev")));
    assert_eq!(host.property("dev", "ActiveState"), "active");
    host.ok(&format!(
        "cp /srv/kept.env {file} && dreichor-deploy-agent-setup install dev"
    ));
    let after = host.property("dev", "After");
    assert!(!after.contains("srv-disk.mount"), "{after}");
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
        ("STATE_DIRECTORY=/srv/link", "STATE_DIRECTORY"),
    ];
    host.ok("ln -s /opt/dreichor/dev/deploy-agent/state /srv/link");
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
    assert!(code == 1 && said.contains("PORT 3005 is dev's"), "{said}");
    host.furnish("prod");
    host.ok("chmod g+w /opt/dreichor/prod/runtime.env");
    let (code, said) = host.said("dreichor-deploy-agent-setup install prod");
    assert!(
        code == 1 && said.contains("mode 620") && said.contains("chmod go-w"),
        "{said}"
    );
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
