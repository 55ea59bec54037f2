//! The real cosign and a real registry, each in a process of its own, and the blocks of the page of signing.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use dreichor_test_support::http::blocking::{Answer, Connection};
use dreichor_test_support::images::{BuiltImage, ImageSpec, MANIFEST};

use crate::harness::{REGISTRY_PASSWORD, World, free_port, until};

pub const USER: &str = "deployer";
/// `deployer` with [`REGISTRY_PASSWORD`], by bcrypt.
const HTPASSWD: &str = "deployer:$2y$04$gqAtQF6ginOa8R/S0VoRuOdUFOwgpPkpYoQaUt4gJalbPwhSgoxOS\n";

fn tool(path: &str) -> PathBuf {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/signing");
    let path = tools.join(path).join("usr/bin");
    assert!(
        path.is_dir(),
        "{} is missing; ./tests/run by_cosign puts it there",
        path.display()
    );
    path
}

/// One version of cosign, in a directory where it finds the key.
pub struct Cosign<'w> {
    world: &'w World,
    version: u8,
}

impl<'w> Cosign<'w> {
    pub fn new(world: &'w World, version: u8) -> Self {
        std::fs::create_dir_all(world.path("ci/.docker")).expect("made");
        Self { world, version }
    }

    fn command(&self, program: &Path) -> Command {
        let tools = tool(&format!("cosign-{}", self.version));
        let home = self.world.path("ci");
        let mut command = Command::new(program);
        command
            .current_dir(&home)
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", tools.display()))
            .env("HOME", &home)
            .env("COSIGN_PASSWORD", "a password")
            // Whatever it asks the world beyond this host for: not there, at once.
            .env("HTTPS_PROXY", "http://127.0.0.1:1")
            .stdin(Stdio::null());
        if let Ok(key) = std::fs::read_to_string(home.join("cosign.key")) {
            command.env("COSIGN_PRIVATE_KEY", key);
        }
        command
    }

    /// Runs it with these arguments.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let program = tool(&format!("cosign-{}", self.version)).join("cosign");
        let output = self.command(&program).args(arguments).output();
        output.expect("cosign runs")
    }

    /// Runs it, and it must succeed.
    pub fn ok(&self, arguments: &[&str]) {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }

    /// Runs a block of the page, as it stands there.
    pub fn block(&self, block: &str, tag: &str, digest: &str) -> String {
        let mut shell = self.command(Path::new("/bin/bash"));
        let script = format!("set -euo pipefail\n{block}");
        shell.args(["-c", &script]);
        shell
            .env("REPOSITORY", &self.world.repository)
            .env("TAG", tag)
            .env("TARGET", "dev")
            .env("DIGEST", digest);
        let output = shell.output().expect("bash runs");
        assert!(output.status.success(), "{block}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// The blocks of the page of signing, in their order.
pub fn blocks() -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/signing.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let blocks = page.split("\n```sh\n").skip(1);
    let blocks = blocks.map(|block| block.split("\n```").next().expect("an end").to_owned());
    blocks.collect()
}

/// Docker's own registry, with a password.
pub struct RealRegistry {
    child: Child,
    pub port: u16,
}

impl RealRegistry {
    pub fn start(world: &World) -> Self {
        let port = free_port();
        let directory = world.path("registry");
        std::fs::create_dir_all(&directory).expect("made");
        std::fs::write(directory.join("htpasswd"), HTPASSWD).expect("written");
        let shown = directory.display();
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {shown}/data}}}}\n\
             http: {{addr: '127.0.0.1:{port}'}}\nauth: {{htpasswd: {{realm: sample, path: {shown}/htpasswd}}}}\n"
        );
        let file = directory.join("config.yml");
        std::fs::write(&file, config).expect("written");
        let child = Command::new(tool("registry").join("docker-registry"))
            .arg("serve")
            .arg(file)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the registry starts");
        until("the registry listens", Duration::from_secs(20), || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self { child, port }
    }

    fn ask(&self, method: &str, target: &str, kind: &str, body: &[u8]) -> Answer {
        use base64::Engine as _;
        let pair = format!("{USER}:{REGISTRY_PASSWORD}");
        let pair = base64::engine::general_purpose::STANDARD.encode(pair);
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAuthorization: Basic {pair}\r\n\
             Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            self.port,
            body.len()
        );
        let request = [head.as_bytes(), body].concat();
        let connection = Connection::tcp(self.port).expect("it listens");
        let mut connection = connection;
        let answer = connection.exchange(&request).expect("an answer");
        assert!(answer.status < 300, "{method} {target}: {}", answer.body);
        answer
    }

    /// Pushes an image as docker does.
    pub fn push(&self, world: &World, tag: &str) -> BuiltImage {
        let image = ImageSpec::runtime(world.runtime)
            .salt(world.image(tag))
            .build();
        let path = world.repository_path();
        for (digest, bytes) in &image.blobs {
            let begun = self.ask(
                "POST",
                &format!("/v2/{path}/blobs/uploads/"),
                "text/plain",
                b"",
            );
            let location = begun.header("location").expect("a location");
            let root = format!("http://127.0.0.1:{}", self.port);
            let target = location.strip_prefix(&root).unwrap_or(location);
            let target = format!("{target}&digest={digest}");
            self.ask("PUT", &target, "application/octet-stream", bytes);
        }
        let target = format!("/v2/{path}/manifests/{tag}");
        self.ask("PUT", &target, MANIFEST, &image.manifest);
        image
    }
}

impl Drop for RealRegistry {
    fn drop(&mut self) {
        // Already ended is as good.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
