//! Without the package: the installer from a checkout brings program and unit, upgrades them in place, takes them off.

use std::path::Path;

use super::agents::unit;
use super::host::Host;
use crate::host_files::root;

const INSTALL: &str = "/srv/checkout/deploy/install";
const PROGRAM: &str = "--binary /srv/deploy-agent";

#[test]
fn the_installer_brings_upgrades_and_removes_program_and_unit_without_a_package() {
    let host = Host::boot();
    host.ok("mkdir /srv/checkout");
    host.copy(&root().join("deploy"), "/srv/checkout/deploy");
    let built = Path::new(env!("CARGO_BIN_EXE_deploy-agent"));
    host.copy(built, "/srv/deploy-agent");
    let said = host.said(&format!("{INSTALL} install dev")).1;
    assert!(said.contains("refused: no program at"), "{said}");
    // Both at once: the one waits for the other.
    let installed = std::thread::scope(|scope| {
        let install = |environment| {
            let host = &host;
            scope.spawn(move || host.ok(&format!("{INSTALL} install {environment} {PROGRAM}")))
        };
        ["dev", "prod"]
            .map(install)
            .map(|ends| ends.join().expect("it ends"))
    });
    let waited = installed
        .iter()
        .filter(|said| said.contains("+ waiting for another install"));
    assert_eq!(waited.count(), 1, "{installed:?}");
    for environment in ["dev", "prod"] {
        assert_eq!(host.status(environment).code, 200);
    }
    an_upgrade_restarts_what_is_outdated_and_nothing_else(&host);
    the_drop_in_opens_the_network(&host);
    program_and_unit_go_with_the_last_environment(&host);
}

fn an_upgrade_restarts_what_is_outdated_and_nothing_else(host: &Host) {
    let pid = |environment| host.property(environment, "MainPID");
    let before = [pid("dev"), pid("prod")];
    host.ok(&format!("{INSTALL} upgrade dev {PROGRAM}"));
    assert_eq!([pid("dev"), pid("prod")], before, "nothing is new");
    // Another file, that does the same.
    host.ok("echo >>/srv/deploy-agent");
    let said = host.ok(&format!("{INSTALL} upgrade dev {PROGRAM}"));
    assert!(said.contains("+ systemctl restart"), "{said}");
    assert_ne!(pid("dev"), before[0]);
    assert_eq!(
        pid("prod"),
        before[1],
        "prod goes on with what it runs until it is upgraded"
    );
    host.ok(&format!("{INSTALL} upgrade prod {PROGRAM}"));
    assert_ne!(pid("prod"), before[1]);
    for environment in ["dev", "prod"] {
        let exe = host.ok(&format!("readlink /proc/{}/exe", pid(environment)));
        assert_eq!(exe, "/usr/bin/deploy-agent");
    }
}

fn the_drop_in_opens_the_network(host: &Host) {
    assert_ne!(host.property("dev", "IPAddressDeny"), "");
    let directory = format!("/etc/systemd/system/{}.d", unit("dev"));
    host.ok(&format!(
        "mkdir {directory} && cp /srv/checkout/deploy/network.conf {directory}/ && systemctl daemon-reload && \
         systemctl restart {}",
        unit("dev")
    ));
    assert_eq!(host.property("dev", "IPAddressDeny"), "");
    assert_ne!(
        host.property("prod", "IPAddressDeny"),
        "",
        "prod's stays closed"
    );
    assert_eq!(
        host.ok(&format!("systemd-analyze verify {}", unit("dev"))),
        ""
    );
    assert_eq!(host.status("dev").code, 200);
}

fn program_and_unit_go_with_the_last_environment(host: &Host) {
    let files = "/usr/bin/deploy-agent /etc/systemd/system/dreichor-deploy-agent@.service \
        /etc/systemd/system/dreichor-deploy-agent@.socket";
    host.ok(&format!("{INSTALL} uninstall dev && ls {files}"));
    assert_eq!(host.status("prod").code, 200, "prod runs on");
    host.ok(&format!("{INSTALL} uninstall prod"));
    assert_eq!(
        host.said(&format!("ls {files}")).0,
        2,
        "nothing of it is left"
    );
    host.ok("ls /opt/dreichor/*/deploy-agent/.env /opt/dreichor/*/deploy-agent/state/audit.jsonl");
    assert_eq!(
        host.ok("find /opt/dreichor -nouser"),
        "",
        "what stays has its owner"
    );
}
