//! The port of an agent is systemd's: it stays held, and answered, through every restart, and is closed by a stop.

use super::agents::unit;
use super::host::Host;
use super::package::NEXT_VERSION;
use super::tunnel::the_tunnel_of_an_environment_starts_with_its_credential_and_reaches_its_agent_alone;

/// Asks without a pause, four at a time, until its file is gone, and writes down each status; curl's own error otherwise.
const LOAD: &str = r#"
touch /srv/load
for client in 1 2 3 4; do
    while [ -e /srv/load ]; do ask prod GET /v1/status 2>&1 | tail -n 1; done >/srv/answers.$client &
done
wait
"#;
/// Tries to listen in the agent's place, on its address and on all, for as long as the load runs.
const THIEF: &str = r#"
import os, socket
tries = 0
while os.path.exists("/srv/load"):
    for address in "127.0.0.1", "0.0.0.0":
        with socket.socket() as thief:
            thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                thief.bind((address, 3006)); thief.listen()
                print("listens on", address)
            except OSError:
                tries += 1
print("kept out" if tries > 100 else "hardly tried")
"#;

#[test]
fn the_port_is_held_through_restarts_and_an_upgrade_and_a_stopped_agent_stays_stopped() {
    let host = Host::with_agents();
    no_request_fails_and_nobody_takes_the_port_through_restarts_and_an_upgrade(&host);
    a_crash_keeps_the_port_and_a_stop_closes_it(&host);
    another_port_is_named_at_the_start_and_by_check(&host);
    the_tunnel_of_an_environment_starts_with_its_credential_and_reaches_its_agent_alone(&host);
    the_tunnels_end_with_the_package(&host);
}

fn the_tunnels_end_with_the_package(host: &Host) {
    host.ok("systemctl start dreichor-tunnel@dev dreichor-tunnel@prod");
    // An environment that is taken off has no tunnel either.
    host.ok("dreichor-deploy-agent-setup uninstall dev");
    let running = "systemctl list-units --no-legend --state active 'dreichor-*' | awk '{print $1}'";
    assert_eq!(
        host.ok(running),
        "dreichor-deploy-agent@prod.service\n\
         dreichor-tunnel@prod.service\ndreichor-deploy-agent@prod.socket"
    );
    host.ok("dpkg --remove dreichor-deploy-agent");
    assert_eq!(host.ok(running), "");
}

fn no_request_fails_and_nobody_takes_the_port_through_restarts_and_an_upgrade(host: &Host) {
    host.write("/srv/load.sh", LOAD);
    host.write("/srv/thief.py", THIEF);
    let (load, thief) = std::thread::scope(|scope| {
        let load = scope.spawn(|| host.ok("bash /srv/load.sh"));
        host.until("the load runs", 20, "grep -q 200 /srv/answers.4");
        let thief = scope.spawn(|| host.ok("python3 /srv/thief.py"));
        let mut before = host.property("prod", "MainPID");
        for act in ["systemctl restart", "systemctl try-restart"] {
            host.ok(&format!("{act} {}", unit("prod")));
            let pid = host.property("prod", "MainPID");
            assert_ne!(pid, before, "{act}: it is another process");
            before = pid;
        }
        host.install_package(NEXT_VERSION);
        assert_ne!(host.property("prod", "MainPID"), before);
        host.ok("rm /srv/load");
        (
            load.join().expect("it ends"),
            thief.join().expect("it ends"),
        )
    });
    assert_eq!(load, "");
    assert_eq!(thief, "kept out");
    let answers = host.ok("sort /srv/answers.* | uniq --count");
    let mut words = answers.split_whitespace();
    let count: u64 = words.next().and_then(|n| n.parse().ok()).expect("a count");
    assert_eq!(words.collect::<Vec<_>>(), ["200"], "{answers}");
    assert!(count > 100, "{answers}");
}

fn a_crash_keeps_the_port_and_a_stop_closes_it(host: &Host) {
    let name = unit("prod");
    let pid = host.property("prod", "MainPID");
    host.ok(&format!("systemctl kill --signal KILL {name}"));
    assert_eq!(
        host.status("prod").code,
        200,
        "the next process answers what waited for it"
    );
    assert_ne!(host.property("prod", "MainPID"), pid);
    host.ok(&format!("systemctl stop {name}"));
    a_request_starts_nothing(host, "inactive");
    // Nobody wants the socket but an agent that is to run.
    let socket = "dreichor-deploy-agent@prod.socket";
    host.ok(&format!("systemctl start {socket}"));
    host.until(
        "it closes again",
        5,
        &format!("! systemctl is-active {socket}"),
    );
    a_request_starts_nothing(host, "inactive");
    // Also while systemd would bring it back.
    host.ok(&format!(
        "systemctl start {name} && systemctl kill --signal KILL {name}"
    ));
    host.until(
        "systemd waits",
        5,
        &format!("systemctl is-active {name} | grep activating"),
    );
    host.ok(&format!("systemctl stop {name}"));
    a_request_starts_nothing(host, "inactive");
    host.ok(&format!("systemctl start {name}"));
    assert_eq!(host.status("prod").code, 200);
}

fn a_request_starts_nothing(host: &Host, state: &str) {
    let (code, said) = host.said("ask prod GET /v1/status");
    // curl's own: it could not connect.
    assert_eq!(code, 7, "nobody listens: {said}");
    assert_eq!(host.property("prod", "ActiveState"), state);
    assert_eq!(
        host.said("deploy-agent check --env-file /opt/dreichor/prod/deploy-agent/.env")
            .0,
        0
    );
    assert_eq!(
        host.property("prod", "ActiveState"),
        state,
        "neither does a check"
    );
}

fn another_port_is_named_at_the_start_and_by_check(host: &Host) {
    let (name, file) = (unit("prod"), "/opt/dreichor/prod/deploy-agent/.env");
    let check = "dreichor-deploy-agent-setup check prod";
    host.ok(check);
    host.ok(&format!(
        "cp -p {file} /srv/prod.env && echo PORT=3016 >>{file}"
    ));
    let (code, said) = host.said(check);
    assert_eq!(code, 78, "{said}");
    let named = "problem: PORT 3016 and CONTAINER_NAME dreichor-runtime-prod are not what the socket unit holds";
    assert!(said.contains(named), "{said}");
    assert_eq!(host.status("prod").code, 200, "the check ends nobody");
    assert_ne!(host.said(&format!("systemctl restart {name}")).0, 0);
    assert_eq!(host.property("prod", "ExecMainStatus"), "78");
    let said = host.ok(&format!("journalctl --no-pager --unit {name}"));
    assert!(
        said.contains(
            "LISTEN_FDS: systemd hands over 127.0.0.1:3006; the settings ask for PORT 3016"
        ),
        "{said}"
    );
    host.until(
        "the port is closed with them",
        5,
        "! ask prod GET /v1/status",
    );
    a_request_starts_nothing_wrong(host);
    let said = host.ok("dreichor-deploy-agent-setup install prod");
    assert!(
        said.contains("-> /etc/systemd/system/dreichor-deploy-agent@prod.socket.d/listen.conf"),
        "{said}"
    );
    let held = "systemctl show --property Listen --value dreichor-deploy-agent@prod.socket";
    assert_eq!(
        host.ok(held),
        "127.0.0.1:3016 (Stream)\n@dreichor-deploy-agent/dreichor-runtime-prod (Stream)"
    );
    host.ok(check);
    host.ok(&format!(
        "mv /srv/prod.env {file} && dreichor-deploy-agent-setup install prod"
    ));
    assert_eq!(host.status("prod").code, 200);
}

/// Settings that cannot work do not get better by a request.
fn a_request_starts_nothing_wrong(host: &Host) {
    assert_ne!(host.said("ask prod GET /v1/status").0, 0);
    let shown = ["ActiveState", "NRestarts"].map(|name| host.property("prod", name));
    assert_eq!(shown, ["failed", "0"]);
}
