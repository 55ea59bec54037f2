//! What does not move any more is started again by systemd, whichever part it is.

use super::agents::unit;
use super::host::Host;

/// `WatchdogSec=20`, at worst twice, `TimeoutAbortSec=10`, `RestartSec=2`, and a slow machine.
const FOUND_WITHIN: u64 = 60;

#[test]
fn a_wedged_actor_and_a_frozen_process_are_started_again() {
    let host = Host::with_agents();
    let [dev, prod] = ["dev", "prod"].map(|environment| host.property(environment, "MainPID"));
    // Only the main thread, where the actor lives: it sleeps in its next wait for events, the front end goes on.
    host.ok(&format!(
        "strace --attach {dev} --output /srv/strace --trace epoll_wait,epoll_pwait \
         --inject epoll_wait,epoll_pwait:delay_enter=600s >/srv/strace.said 2>&1 & \
         for i in $(seq 100); do grep -q TracerPid:.*[1-9] /proc/{dev}/status && exit 0; sleep 0.1; done; \
         cat /srv/strace.said; exit 1"
    ));
    // The whole process.
    host.ok(&format!("kill -STOP {prod}"));
    let status = host.status("dev");
    assert_eq!(
        status.code, 200,
        "the front end of a wedged actor answers: {}",
        status.body
    );
    let name = unit("dev");
    host.until(
        "the watchdog finds the wedged actor",
        FOUND_WITHIN,
        &format!("journalctl --no-pager --unit {name} | grep 'Watchdog timeout'"),
    );
    // A tracer keeps what it traces from being buried.
    host.ok("pkill -x strace");
    for (environment, old) in [("dev", &dev), ("prod", &prod)] {
        let restarted = format!(
            "test $(systemctl show --property NRestarts --value {}) = 1",
            unit(environment)
        );
        host.until(
            &format!("{environment} is started again"),
            FOUND_WITHIN,
            &restarted,
        );
        host.until(
            "it answers",
            20,
            &format!("ask {environment} GET /v1/status | grep '\"running\":false'"),
        );
        assert_ne!(&host.property(environment, "MainPID"), old);
        let said = host.ok(&format!(
            "journalctl --no-pager --unit {}",
            unit(environment)
        ));
        assert!(
            said.contains("Watchdog timeout"),
            "{environment}: the watchdog did it:\n{said}"
        );
        assert!(
            !said.contains("dumped core"),
            "{environment}: secrets stay out of cores"
        );
    }
}
