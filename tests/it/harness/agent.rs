//! The agent under test: the real program, in a process of its own, with a cleared environment.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::message::{Answer, exchange};

/// The token that tests present.
pub const CLIENT_ID: &str = "ci.access";
pub const CLIENT_SECRET: &str = "canary-client-secret-5f1c";

/// What must show up nowhere but where the test put it: a value of runtime.env, a token's secret, a password of the
/// registry.
pub const CANARIES: [&str; 3] = [super::CANARY, CLIENT_SECRET, super::REGISTRY_PASSWORD];

/// How much of a log is shown when a test fails.
const LAST_LINES: usize = 120;

/// A running `deploy-agent serve`.
pub struct Agent {
    child: Child,
    pub port: u16,
    log: PathBuf,
}

impl Agent {
    /// Starts the agent and waits until it answers.
    pub fn start(env_file: &Path, port: u16, log: &Path, extra: &[(&str, &str)]) -> Self {
        Self::launch(env_file, port, log, extra).listening()
    }

    /// Waits until it answers.
    pub fn listening(mut self) -> Self {
        let port = self.port;
        let agent = &mut self;
        let end = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = agent.child.try_wait().expect("waitable");
            assert!(
                ended.is_none() && Instant::now() < end,
                "the agent does not listen ({ended:?}):\n{}",
                agent.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        self
    }

    /// Starts the agent and waits for nothing.
    pub fn launch(env_file: &Path, port: u16, log: &Path, extra: &[(&str, &str)]) -> Self {
        let program = Command::new(env!("CARGO_BIN_EXE_deploy-agent"));
        Self::launch_by(program, env_file, port, log, extra)
    }

    /// The same by another program that becomes the agent, such as `prlimit`.
    pub fn launch_by(
        mut program: Command,
        env_file: &Path,
        port: u16,
        log: &Path,
        extra: &[(&str, &str)],
    ) -> Self {
        let out = File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("a log file");
        let child = program
            .args(["serve", "--env-file"])
            .arg(env_file)
            .env_clear()
            .envs(extra.iter().copied())
            .stdin(Stdio::null())
            .stdout(out.try_clone().expect("a second handle"))
            .stderr(out)
            .spawn()
            .expect("the agent starts");
        Self {
            child,
            port,
            log: log.to_owned(),
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory.
    pub fn memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("readable");
        let line = status.lines().find(|line| line.starts_with("VmRSS"));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number
            .and_then(|text| text.parse().ok())
            .expect("a number of KiB")
    }

    /// Open descriptors.
    pub fn descriptors(&self) -> usize {
        self.entries("fd")
    }

    /// Threads.
    pub fn threads(&self) -> usize {
        self.entries("task")
    }

    fn entries(&self, of: &str) -> usize {
        let path = format!("/proc/{}/{of}", self.pid());
        std::fs::read_dir(path).expect("readable").count()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Ends it in order, as systemd does: what it waits for more of is recorded then.
    pub fn end(mut self) {
        self.signal("TERM");
        assert_eq!(self.wait().code(), Some(0), "{}", self.log());
    }

    /// Waits for the end of the process.
    pub fn wait(&mut self) -> ExitStatus {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.child.try_wait().expect("waitable") {
                return status;
            }
            assert!(
                Instant::now() < end,
                "the agent does not end:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let bytes = request_bytes(method, path, headers, body);
        let answer = exchange(self.port, &bytes);
        let answer = answer.unwrap_or_else(|error| panic!("{error}\n{}", self.log()));
        for canary in CANARIES {
            assert!(!answer.body.contains(canary), "a secret is in an answer");
        }
        answer
    }

    pub fn post(&self, path: &str, body: &str) -> Answer {
        self.request("POST", path, &contract_headers(), body)
    }

    pub fn deploy(&self, image: &str) -> Answer {
        self.post("/v1/deploy", &json!({ "image": image }).to_string())
    }

    pub fn stop(&self) -> Answer {
        self.post("/v1/stop", "")
    }

    pub fn status_answer(&self) -> Answer {
        self.request("GET", "/v1/status", &contract_headers(), "")
    }

    pub fn status(&self) -> Value {
        let answer = self.status_answer();
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }

    /// Asks for the status until it is as wanted.
    pub fn status_until(&self, within: Duration, wanted: impl Fn(&Answer) -> bool) -> Answer {
        let end = Instant::now() + within;
        loop {
            let answer = self.status_answer();
            if wanted(&answer) {
                return answer;
            }
            assert!(
                Instant::now() < end,
                "status stays {} {}\n{}",
                answer.status,
                answer.body,
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // A process that has ended has no command line.
        let shown = std::fs::read_to_string(format!("/proc/{}/cmdline", self.pid()));
        let shown = shown.unwrap_or_default();
        let leaks = CANARIES.iter().any(|canary| shown.contains(canary));
        assert!(
            !leaks || std::thread::panicking(),
            "a secret is in the process title"
        );
        // Already ended is as good.
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
            eprintln!("--- log of the agent\n{}", last.join("\n"));
        }
    }
}

/// The three headers that the contract asks for.
pub fn contract_headers() -> [(&'static str, &'static str); 3] {
    [
        ("CF-Access-Client-Id", CLIENT_ID),
        ("CF-Access-Client-Secret", CLIENT_SECRET),
        ("Content-Type", "application/json"),
    ]
}

pub fn request_bytes(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() || method == "POST" {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}
