//! Settings that cannot work, and an engine that is away.

use dreichor_test_support::images::ImageSpec;

use super::agents::unit;
use super::host::Host;

#[test]
fn wrong_settings_are_not_tried_again_and_an_absent_engine_is_outlived() {
    let host = Host::with_agents();
    host.registry().push("1.0.0", ImageSpec::mode(&["run"]));
    host.registry().push("2.0.0", ImageSpec::mode(&["run"]));
    wrong_settings_are_named_and_not_tried_again(&host);
    a_loop_of_crashes_ends_with_a_closed_port(&host);
    an_absent_engine_is_outlived(&host);
}

fn wrong_settings_are_named_and_not_tried_again(host: &Host) {
    let (name, file) = (unit("prod"), "/opt/dreichor/prod/deploy-agent/.env");
    host.ok(&format!(
        "cp -p {file} /srv/.env; echo PORT=many >>{file}; echo QUEUE_CAPACITY=-1 >>{file}"
    ));
    assert_ne!(host.said(&format!("systemctl restart {name}")).0, 0);
    // Longer than RestartSec=2.
    std::thread::sleep(std::time::Duration::from_secs(4));
    let shown =
        ["ActiveState", "ExecMainStatus", "NRestarts"].map(|name| host.property("prod", name));
    assert_eq!(shown, ["failed", "78", "0"]);
    let said = host.ok(&format!("journalctl --no-pager --unit {name}"));
    assert!(
        said.contains("PORT") && said.contains("QUEUE_CAPACITY"),
        "all at once: {said}"
    );
    let (code, said) = host.said("dreichor-deploy-agent-setup install prod");
    assert!(code == 1 && said.contains("nothing was started"), "{said}");
    host.ok(&format!("cp -p /srv/.env {file}"));
    host.ok("dreichor-deploy-agent-setup install prod");
    assert_eq!(host.status("prod").code, 200);
}

fn a_loop_of_crashes_ends_with_a_closed_port(host: &Host) {
    let name = unit("prod");
    let drop_in = format!("/etc/systemd/system/{name}.d/crash.conf");
    // A program that crashes, and the unit's own patience, made short.
    host.ok(&format!(
        "mkdir -p /etc/systemd/system/{name}.d && systemctl stop {name} && \
         printf '%s\\n' [Unit] StartLimitBurst=3 [Service] RestartSec=100ms ExecStart= ExecStart=/bin/false >{drop_in} && \
         systemctl daemon-reload"
    ));
    assert_ne!(host.said(&format!("systemctl start {name}")).0, 0);
    host.until(
        "systemd gives up",
        20,
        &format!("systemctl is-failed {name}"),
    );
    // curl's own: it could not connect.
    assert_eq!(host.said("ask prod GET /v1/status").0, 7);
    host.ok(&format!(
        "rm {drop_in} && systemctl daemon-reload && systemctl reset-failed {name} && systemctl start {name}"
    ));
    assert_eq!(host.status("prod").code, 200);
}

fn an_absent_engine_is_outlived(host: &Host) {
    host.ok("echo STATUS_MAX_AGE_SECONDS=3 >>/opt/dreichor/dev/deploy-agent/.env");
    host.ok(&format!("systemctl restart {}", unit("dev")));
    host.deployed("dev", "1.0.0");
    let (pid, before) = (host.property("dev", "MainPID"), host.container("dev"));
    // The socket too: systemd would start the engine at the first connection.
    host.ok("systemctl stop docker.socket docker.service");
    host.until(
        "status is not served",
        20,
        "ask dev GET /v1/status | grep '^503$'",
    );
    let refused = host.deploy("dev", "2.0.0");
    assert_eq!(refused.code, 503, "{}", refused.body);
    assert_eq!(host.property("dev", "MainPID"), pid, "the agent lives on");
    // An agent that is started now comes up all the same.
    host.ok(&format!("systemctl restart {}", unit("prod")));
    host.ok("systemctl start docker.service");
    host.until(
        "status is served again",
        30,
        "ask dev GET /v1/status | grep '\"running\":true'",
    );
    assert_eq!(host.container("dev"), before, "as the restart policy says");
    host.deployed("dev", "2.0.0");
    host.deployed("prod", "1.0.0");
    assert_eq!(host.property("dev", "MainPID"), pid);
}
