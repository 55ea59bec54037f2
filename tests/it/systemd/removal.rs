//! Taking an environment or the package off a host keeps settings, volumes and trail, and the runtime runs on.

use dreichor_test_support::images::ImageSpec;

use super::agents::unit;
use super::disorder::{
    a_check_starts_nothing_and_compares_the_environments,
    an_install_repairs_what_keeps_an_agent_from_starting,
};
use super::host::Host;
use super::package::VERSION;
use super::registry::REPOSITORY;

#[test]
fn removal_keeps_files_and_runtime_and_a_second_install_goes_on_from_there() {
    let host = Host::with_agents();
    host.registry().push("1.0.0", ImageSpec::mode(&["run"]));
    host.registry().push("2.0.0", ImageSpec::mode(&["run"]));
    host.deployed("dev", "1.0.0");
    host.deployed("prod", "1.0.0");
    host.ok("for e in dev prod; do echo data >/opt/dreichor/$e/volumes/snapshots/1; done");
    an_environment_is_taken_off_and_put_back(&host);
    a_check_starts_nothing_and_compares_the_environments(&host);
    an_install_repairs_what_keeps_an_agent_from_starting(&host);
    the_package_is_purged_and_installed_again(&host);
    images_are_pruned_by_the_running_agent(&host);
}

/// Names and contents of what must be kept; the trail may only have grown.
fn kept(host: &Host) -> String {
    host.ok("cd /opt/dreichor && sha256sum */deploy-agent/.env */runtime.env */volumes/snapshots/1")
}

fn an_environment_is_taken_off_and_put_back(host: &Host) {
    let (files, container) = (kept(host), host.container("dev"));
    let prod = host.property("prod", "MainPID");
    host.ok("dreichor-deploy-agent-setup uninstall dev");
    assert_ne!(
        host.said(&format!("systemctl is-active {}", unit("dev"))).0,
        0
    );
    assert_ne!(
        host.said(&format!("systemctl is-enabled {}", unit("dev")))
            .0,
        0
    );
    the_state_has_the_owner_it_had(host);
    assert_eq!(host.property("prod", "MainPID"), prod, "prod runs on");
    assert_eq!(
        (kept(host), host.container("dev")),
        (files, container.clone())
    );
    host.ok("dreichor-deploy-agent-setup uninstall dev");
    host.ok("dreichor-deploy-agent-setup install dev");
    let status = host.status("dev");
    assert_eq!(
        status.body["image"],
        format!("{REPOSITORY}:1.0.0"),
        "{}",
        status.body
    );
    assert_eq!(host.container("dev"), container);
}

fn the_package_is_purged_and_installed_again(host: &Host) {
    let files = kept(host);
    let containers = ["dev", "prod"].map(|environment| host.container(environment));
    let lines = host.trail("dev").len();
    host.ok("dpkg --remove dreichor-deploy-agent");
    for environment in ["dev", "prod"] {
        assert_ne!(
            host.said(&format!("systemctl is-active {}", unit(environment)))
                .0,
            0
        );
    }
    host.ok("dpkg --purge dreichor-deploy-agent");
    assert_eq!(
        host.said("ls /usr/bin/deploy-agent /usr/sbin/dreichor-deploy-agent-setup")
            .0,
        2
    );
    assert_eq!(
        host.said("systemctl list-unit-files --no-legend 'dreichor-*' | grep .")
            .0,
        1
    );
    assert_eq!(kept(host), files);
    assert!(
        host.trail("dev").len() > lines,
        "the end of the agent is in its trail, and the trail is there"
    );
    assert_eq!(
        ["dev", "prod"].map(|environment| host.container(environment)),
        containers
    );
    let drop_ins = host.said("ls -d /etc/systemd/system/dreichor-*");
    assert_eq!(drop_ins.0, 2, "{}", drop_ins.1);
    // A user that is made now gets the next number that is free.
    host.ok("useradd --system somebody");
    the_state_has_the_owner_it_had(host);
    let taken_over = host.ok("find /opt/dreichor -user somebody -or -group somebody");
    assert_eq!(taken_over, "");
    let said = host.install_package(VERSION);
    assert!(said.contains("no agent runs; next: "), "{said}");
    for environment in ["dev", "prod"] {
        host.ok(&format!(
            "dreichor-deploy-agent-setup install {environment}"
        ));
        host.deployed(environment, "2.0.0");
        host.ok(&format!(
            "deploy-agent verify /opt/dreichor/{environment}/deploy-agent/state"
        ));
    }
    assert_eq!(kept(host), files);
}

/// And nothing belongs to a number that is nobody's yet.
fn the_state_has_the_owner_it_had(host: &Host) {
    let owner = "stat --format '%U:%G %a' /opt/dreichor/dev/deploy-agent/state";
    assert_eq!(host.ok(owner), "dreichor-dev:dreichor-dev 700");
    let nobodys = host.ok("find /opt/dreichor -nouser -or -nogroup");
    assert_eq!(nobodys, "");
}

/// As the page tells it: through the running agent, which root and the agent's own user may ask.
fn images_are_pruned_by_the_running_agent(host: &Host) {
    let (name, base) = (unit("dev"), "/opt/dreichor/dev/deploy-agent");
    let image = format!("docker image inspect {REPOSITORY}:1.0.0");
    // What prod pulled a moment ago is left alone until it has run here again.
    host.deployed("dev", "1.0.0");
    host.deployed("dev", "2.0.0");
    let container = host.container("dev");
    host.ok("deploy-agent status dev");
    assert_eq!(
        host.ok("stat --format %a /run/dreichor-deploy-agent/dev")
            .trim(),
        "700"
    );
    let (code, said) = host.said("setpriv --reuid nobody --clear-groups deploy-agent status dev");
    assert_eq!(code, 1, "{said}");
    // The other environment's containers count as well.
    host.deployed("prod", "2.0.0");
    let listed = host.ok("deploy-agent prune dev --keep 0");
    assert!(listed.contains("1.0.0"), "{listed}");
    assert_eq!(host.said(&image).0, 0, "it only lists");
    host.ok("deploy-agent prune dev --keep 0 --yes");
    assert_ne!(host.said(&image).0, 0, "it is gone");
    assert_eq!(
        host.container("dev"),
        container,
        "the runtime does not notice"
    );
    // The check of a unit of its own leaves the running agent's socket alone.
    host.ok("dreichor-deploy-agent-setup check dev");
    host.ok("deploy-agent freeze dev --reason 'market hours' --until 1h");
    host.ok(&format!("systemctl restart {name}"));
    let shown = host.ok("deploy-agent status dev");
    assert!(shown.contains("market hours"), "{shown}");
    host.ok("deploy-agent thaw dev");
    host.ok(&format!("systemctl stop {name}"));
    assert_eq!(host.said("deploy-agent status dev").0, 69);
    host.ok(&format!("systemctl start {name}"));
    host.deployed("dev", "1.0.0");
    host.ok(&format!("deploy-agent verify {base}/state"));
    assert_eq!(
        host.ok(&format!("find {base}/state ! -user dreichor-dev")),
        ""
    );
}
