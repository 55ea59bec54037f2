//! A part of the test in `port`: the tunnel's unit on a booted systemd, with a stand-in that looks at what cloudflared would be given.

use super::host::Host;

/// Checks its arguments, reads its credential and its configuration, reaches the agent, and says READY.
const CLOUDFLARED: &str = r#"#!/usr/bin/python3
import os, re, signal, socket, sys
_, update, config, path, tunnel, run, option, credentials = sys.argv
assert [update, config, tunnel, run, option] == ["--no-autoupdate", "--config", "tunnel", "run", "--credentials-file"], sys.argv
print("credential of", re.search('"TunnelID":"(.*?)"', open(credentials).read()).group(1), flush=True)
port = int(re.search(r"service: http://127\.0\.0\.1:(\d+)", open(path).read()).group(1))
with socket.create_connection(("127.0.0.1", port), 5) as agent:
    agent.sendall(b"GET /v1/status HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n")
    print("agent says", agent.recv(100).split(b"\r\n")[0].decode(), flush=True)
for secret in ["/opt/dreichor/dev/runtime.env", "/etc/cloudflared/dreichor-dev.json", "/run/docker.sock"]:
    try:
        open(secret).close()
        print("reads", secret, flush=True)
    except OSError as error:
        print("kept from", secret, flush=True)
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.connect(os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
notify.send(b"READY=1")
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
while True:
    signal.pause()
"#;

pub fn the_tunnel_of_an_environment_starts_with_its_credential_and_reaches_its_agent_alone(
    host: &Host,
) {
    let said = host.said("systemctl start dreichor-tunnel@dev").1;
    assert!(
        said.contains("Assertion failed"),
        "without a configuration it says so: {said}"
    );
    host.write("/usr/bin/cloudflared", CLOUDFLARED);
    host.ok("chmod 755 /usr/bin/cloudflared");
    for environment in ["dev", "prod"] {
        host.ok(&format!(
            "cd /etc && install -d cloudflared && cd cloudflared && \
             cp /usr/share/dreichor-deploy-agent/tunnel/{environment}.yml dreichor-{environment}.yml && \
             echo '{{\"TunnelID\":\"of-{environment}\"}}' >dreichor-{environment}.json && chmod 600 dreichor-{environment}.json"
        ));
        let unit = format!("dreichor-tunnel@{environment}.service");
        assert_eq!(
            host.ok(&format!("systemd-analyze verify {unit}")),
            "",
            "{unit}"
        );
        host.ok(&format!("systemctl enable --now {unit}"));
        let said = host.ok(&format!("journalctl --no-pager --output cat --unit {unit}"));
        assert!(
            said.contains(&format!("credential of of-{environment}")),
            "{said}"
        );
        assert!(
            said.contains("agent says HTTP/1.1 401"),
            "it is reached, and asks for the headers: {said}"
        );
        assert!(!said.contains("reads /"), "{said}");
        assert_eq!(said.matches("kept from").count(), 3, "{said}");
        host.ok(&format!("systemctl stop {unit}"));
        assert_eq!(
            host.ok(&format!("systemctl show --property Result --value {unit}")),
            "success"
        );
    }
}
