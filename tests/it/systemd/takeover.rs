//! From the old Node.js agent: its files stay byte for byte, its container is taken over.

use dreichor_test_support::images::ImageSpec;

use super::host::Host;
use super::package::VERSION;
use super::registry::REPOSITORY;

/// A host as the old agent left it, with an agent that still listens.
const OLD_HOST: &str = r#"
set -e
base=/opt/dreichor/dev
install -d $base/deploy-agent $base/volumes/audit-events $base/volumes/snapshots
echo 'old' >$base/deploy-agent/agent.js
cat >$base/deploy-agent/.env <<'ENV'
# deploy agent
NODE_ENV=production
ENVIRONMENT=dev
CONTAINER_NAME="dreichor-runtime-dev"
AUDIT_EVENTS_PATH=/opt/dreichor/dev/volumes/audit-events
SNAPSHOTS_PATH='/opt/dreichor/dev/volumes/snapshots'
ALLOW_EXECUTION_PLANE=paper
PORT=3005
IMAGE_REPOSITORY=@from@
ENV
cat >$base/runtime.env <<'ENV'
# runtime
EXECUTION_PLANE=paper
DATABASE_URL=postgres://user:p=ss "word"@localhost/dev
ENV
echo event >$base/volumes/audit-events/1
echo snapshot >$base/volumes/snapshots/1
chmod 600 $base/deploy-agent/.env $base/runtime.env
cat >/etc/systemd/system/old-agent.service <<'UNIT'
[Service]
ExecStart=/usr/bin/python3 -c "import socket,time; s=socket.create_server(('127.0.0.1',3005)); time.sleep(9999)"
[Install]
WantedBy=multi-user.target
UNIT
systemctl enable --now old-agent
docker run --detach --name dreichor-runtime-dev --restart unless-stopped --network host --env-file $base/runtime.env \
    --volume $base/volumes/audit-events:/var/lib/dreichor/audit-events \
    --volume $base/volumes/snapshots:/var/lib/dreichor/snapshots @from@:1.0.0
"#;

#[test]
fn the_files_of_the_old_agent_stay_byte_for_byte_and_its_container_is_taken_over() {
    let host = Host::boot();
    host.registry().push("1.0.0", ImageSpec::mode(&["run"]));
    host.registry().push("2.0.0", ImageSpec::mode(&["run"]));
    host.ok(&OLD_HOST.replace("@from@", REPOSITORY));
    let (files, shown) = (files(&host), shown(&host));
    let old = host.container("dev");

    host.install_package(VERSION);
    let (code, said) = host.said("dreichor-deploy-agent-setup install dev");
    assert!(code == 1 && said.contains("is it the old agent?"), "{said}");
    host.ok("systemctl disable --now old-agent");
    host.ok("dreichor-deploy-agent-setup install dev");
    let status = host.status("dev");
    assert_eq!(
        status.body["image"],
        format!("{REPOSITORY}:1.0.0"),
        "{}",
        status.body
    );
    assert_eq!(
        host.container("dev"),
        old,
        "the move itself touches nothing"
    );

    host.deployed("dev", "2.0.0");
    assert_ne!(host.container("dev"), old);
    assert_eq!(
        self::shown(&host),
        shown,
        "the new container is made as the old one was"
    );
    assert_eq!(self::files(&host), files);
    let said = host.ok("deploy-agent history /opt/dreichor/dev/deploy-agent/state");
    assert!(said.contains("2.0.0"), "{said}");
}

/// Content, owner, mode and time of every file that was there.
fn files(host: &Host) -> String {
    host.ok(
        "cd /opt/dreichor/dev && for f in deploy-agent/agent.js deploy-agent/.env runtime.env volumes/*/1; do \
         sha256sum $f; stat --format '%U:%G %a %y' $f; done; stat --format '%U:%G %a' . volumes volumes/*",
    )
}

/// What of a container's settings the two agents must agree on.
fn shown(host: &Host) -> String {
    let format = "{{.HostConfig.NetworkMode}} {{.HostConfig.RestartPolicy.Name}} {{json .Config.Env}} \
        {{range .Mounts}}{{.Source}}:{{.Destination}}:{{.RW}} {{end}}";
    let said = host.ok(&format!(
        "docker inspect --format '{format}' dreichor-runtime-dev"
    ));
    let mut words: Vec<&str> = said.split(' ').collect();
    // The engine lists mounts in no order.
    words.sort_unstable();
    words.join(" ")
}
