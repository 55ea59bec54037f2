//! What happens around an operation does not end it: a long pull, an upgrade, a stop; a kill is closed in the trail.

use std::time::{Duration, Instant};

use dreichor_test_support::images::ImageSpec;
use dreichor_test_support::registry::{Fault, What};

use super::agents::{Answered, unit};
use super::host::Host;
use super::package::NEXT_VERSION;
use super::registry::REPOSITORY;
use crate::signatures::signer::Signer;

/// Longer than `WatchdogSec=20` of the unit.
const PAST_THE_WATCHDOG: Duration = Duration::from_secs(23);
/// Bytes that the registry gives every 50 ms.
const DRIP: usize = 24_000;

#[test]
fn operations_outlive_the_watchdog_upgrades_and_stops_and_a_kill_is_recorded() {
    let host = Host::with_agents();
    host.registry().push("1.0.0", ImageSpec::mode(&["run"]));
    for (tag, seconds) in [("2.0.0", 27), ("3.0.0", 6), ("4.0.0", 6)] {
        slow(&host, tag, seconds);
    }
    host.deployed("dev", "1.0.0");
    host.deployed("prod", "1.0.0");
    host.registry().fault(What::Blob, Fault::Drip(DRIP));
    an_upgrade_during_a_long_deploy(&host);
    a_stop_during_a_deploy(&host);
    a_kill_during_a_deploy(&host);
    what_only_the_unit_sees_is_told_by_its_check(&host);
    only_what_is_signed_is_deployed(&host);
    for environment in ["dev", "prod"] {
        host.ok(&format!(
            "deploy-agent verify /opt/dreichor/{environment}/deploy-agent/state"
        ));
    }
}

/// Pushes an image whose pull takes so many seconds.
fn slow(host: &Host, tag: &str, seconds: usize) {
    host.registry().push(
        tag,
        ImageSpec::mode(&["run"]).extra_bytes(seconds * 20 * DRIP),
    );
}

/// Deploys, and does something else as soon as systemd shows the pull.
fn meanwhile(host: &Host, environment: &str, tag: &str, act: impl FnOnce()) -> Answered {
    std::thread::scope(|scope| {
        let answer = scope.spawn(|| host.deploy(environment, tag));
        host.status_text(
            environment,
            &format!("deploy {tag}: pulling [0-9]+ %, [0-9]+ of [0-9]+ MB"),
        );
        act();
        answer.join().expect("the client ends")
    })
}

/// What an upgrade must not touch.
fn runtime(host: &Host, environment: &str) -> String {
    host.ok(&format!("docker inspect --format '{{{{.Id}}}} {{{{.State.StartedAt}}}}' dreichor-runtime-{environment}"))
}

fn an_upgrade_during_a_long_deploy(host: &Host) {
    let begun = Instant::now();
    let pids = ["dev", "prod"].map(|environment| host.property(environment, "MainPID"));
    let untouched = ["dev", "prod"].map(|environment| runtime(host, environment));
    let answer = meanwhile(host, "dev", "2.0.0", || {
        std::thread::sleep(PAST_THE_WATCHDOG.saturating_sub(begun.elapsed()));
        assert_eq!(
            host.property("dev", "MainPID"),
            pids[0],
            "a long pull is no wedged actor"
        );
        assert_eq!(
            runtime(host, "dev"),
            untouched[0],
            "the old runtime serves during the pull"
        );
        host.install_package(NEXT_VERSION);
    });
    assert_eq!(answer.code, 200, "{}", answer.body);
    let said = host.ok(&format!("journalctl --no-pager --unit {}", unit("dev")));
    let progress = said.matches("deploy 2.0.0: pulling ").count();
    assert!(
        (3..=9).contains(&progress),
        "a line every few seconds: {progress}"
    );
    assert_eq!(
        host.ok("dpkg-query --show --showformat '${Version}' dreichor-deploy-agent"),
        NEXT_VERSION
    );
    for (environment, old) in ["dev", "prod"].iter().zip(&pids) {
        let pid = host.property(environment, "MainPID");
        assert_ne!(&pid, old, "{environment}: the new agent runs");
        assert_eq!(
            host.ok(&format!("readlink /proc/{pid}/exe")),
            "/usr/bin/deploy-agent"
        );
        assert_eq!(host.property(environment, "NRestarts"), "0");
    }
    assert_eq!(
        runtime(host, "prod"),
        untouched[1],
        "prod's runtime is not touched"
    );
    assert_eq!(
        host.status("dev").body["image"],
        format!("{REPOSITORY}:2.0.0")
    );
}

/// The unit's own timeout is cut to less than the pull takes: the agent asks systemd for the rest.
fn a_stop_during_a_deploy(host: &Host) {
    let drop_in = format!("/run/systemd/system/{}.d", unit("prod"));
    host.ok(&format!(
        "mkdir -p {drop_in}; printf '[Service]\\nTimeoutStopSec=2\\n' >{drop_in}/timeout.conf; systemctl daemon-reload"
    ));
    let answer = meanwhile(host, "prod", "3.0.0", || {
        host.ok(&format!("systemctl stop {}", unit("prod")));
    });
    assert_eq!(answer.code, 200, "{}", answer.body);
    let shown = ["ActiveState", "Result", "ExecMainStatus"].map(|name| host.property("prod", name));
    assert_eq!(shown, ["inactive", "success", "0"]);
    let running = r#"docker inspect --format '{{.State.Running}} {{index .Config.Labels "dreichor.deploy-agent.reference"}}' dreichor-runtime-prod"#;
    assert_eq!(
        host.ok(running),
        format!("true {REPOSITORY}:3.0.0"),
        "it is left as it is"
    );
    host.ok(&format!("rm -r {drop_in}; systemctl daemon-reload"));
    host.ok(&format!("systemctl start {}", unit("prod")));
}

fn a_kill_during_a_deploy(host: &Host) {
    let before = runtime(host, "prod");
    let body = format!(r#"{{"image":"{REPOSITORY}:4.0.0"}}"#);
    std::thread::scope(|scope| {
        let client = scope.spawn(|| host.said(&format!("ask prod POST /v1/deploy '{body}'")));
        host.status_text("prod", "deploy 4.0.0: pulling");
        host.ok(&format!("systemctl kill --signal KILL {}", unit("prod")));
        let (code, said) = client.join().expect("the client ends");
        assert_ne!(code, 0, "nobody answers for a killed agent: {said}");
    });
    host.until(
        "systemd starts it again",
        20,
        "ask prod GET /v1/status | grep '\"running\":true'",
    );
    assert_eq!(host.property("prod", "NRestarts"), "1");
    assert_eq!(
        runtime(host, "prod"),
        before,
        "nothing before the stop touches the runtime"
    );
    let trail = host.trail("prod");
    let closed = trail
        .iter()
        .filter(|record| record["event"] == "operation_interrupted");
    assert_eq!(closed.count(), 1, "the operation is closed in the trail");
    host.registry().heal();
    host.deployed("prod", "4.0.0");
}

/// As the agent's own user, in its sandbox, while the agent runs: what a restore by root or a line of the settings leaves.
fn what_only_the_unit_sees_is_told_by_its_check(host: &Host) {
    let base = "/opt/dreichor/dev/deploy-agent";
    let check = "dreichor-deploy-agent-setup check dev";
    host.ok(check);
    for (spoil, mend, words) in [
        (
            format!("chown root:root {base}/state/audit.jsonl"),
            format!("chown dreichor-dev:dreichor-dev {base}/state/audit.jsonl"),
            "state/audit.jsonl belongs to user 0",
        ),
        (
            format!("cp {base}/.env /root/env && echo STATE_DIRECTORY=/srv/state >>{base}/.env"),
            format!("cat /root/env >{base}/.env"),
            "cannot make /srv/state: Read-only file system",
        ),
        (
            format!("chmod 0666 {base}/.env"),
            format!("chmod 0600 {base}/.env"),
            "the settings file /opt/dreichor/dev/deploy-agent/.env has mode 0666",
        ),
        (
            format!("chown nobody {base}/.env"),
            format!("chown root {base}/.env"),
            "/.env belongs to user 65534, who may rewrite it",
        ),
        (
            format!("chmod 0777 {base}"),
            format!("chmod 0755 {base}"),
            "deploy-agent has mode 0777, so that others may put another file in its place",
        ),
    ] {
        host.ok(&spoil);
        let (code, said) = host.said(check);
        host.ok(&mend);
        assert!(code == 1 && said.contains(words), "{words}: {said}");
    }
    host.ok(check);
    // Root's, as a restore leaves them: the unit may read them, and puts others in their place.
    host.ok(&format!(
        "chown root:root {base}/state/audit.head {base}/state/reserve"
    ));
    host.ok(check);
}

/// In the unit's own sandbox: the key is read, the registry of this host is asked, another one needs the drop-in.
fn only_what_is_signed_is_deployed(host: &Host) {
    let signer = Signer::new();
    let base = "/opt/dreichor/dev/deploy-agent";
    host.write(&format!("{base}/cosign.pub"), &signer.pem());
    host.ok(&format!(
        "printf 'SIGNATURE_POLICY=enforce\\nSIGNATURE_KEYS={base}/cosign.pub\\n' >>{base}/.env && systemctl restart {}",
        unit("dev")
    ));
    host.status_text("dev", ".*; signatures: enforce");
    let image = host.registry().push("5.0.0", ImageSpec::mode(&["run"]));
    let before = host.container("dev");
    let answer = host.deploy("dev", "5.0.0");
    assert_eq!(answer.code, 422, "{}", answer.body);
    assert_eq!(host.container("dev"), before);
    signer.sign(host.registry(), "5.0.0", &image.digest);
    host.deployed("dev", "5.0.0");
    let said = host.ok("dreichor-deploy-agent-setup check dev");
    for words in [
        signer.id(),
        "registry for signatures: 127.0.0.1:5000 answers".to_owned(),
    ] {
        assert!(said.contains(&words), "{said}");
    }
    // A test network: nobody is there, and the unit may not even try.
    host.ok(&format!(
        "sed -i 's,^IMAGE_REPOSITORY=.*,IMAGE_REPOSITORY=198.51.100.7:5000/a/b,' {base}/.env"
    ));
    let (code, said) = host.said("dreichor-deploy-agent-setup check dev");
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("a unit needs the drop-in network.conf"),
        "{said}"
    );
}
