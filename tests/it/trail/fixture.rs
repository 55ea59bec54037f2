//! What the tests of the trail share: a directory with a trail in it, and what `verify` says of it. Besides this file,
//! only `events` names the types of a trail that is opened.

use std::fmt::Display;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest;
use deploy_agent::audit::*;
use serde_json::Value;

/// A state directory of mode 0700 that goes away with its value.
pub struct TrailDir {
    path: PathBuf,
    /// `None` where the directory goes away with something else.
    _scratch: Option<tempfile::TempDir>,
}

impl TrailDir {
    pub fn new() -> Self {
        let own = fs::Permissions::from_mode(0o700);
        let scratch = tempfile::Builder::new().permissions(own).tempdir().unwrap();
        Self {
            path: scratch.path().to_owned(),
            _scratch: Some(scratch),
        }
    }

    /// One that is not there yet, nor the directory above it.
    pub fn missing() -> Self {
        let mut dir = Self::new();
        dir.path = dir.path.join("deep/state");
        dir
    }

    /// One that goes away with something else.
    pub fn at(path: PathBuf) -> Self {
        Self {
            path,
            _scratch: None,
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub fn newest(&self) -> PathBuf {
        self.file("audit.jsonl")
    }

    pub fn text(&self) -> String {
        fs::read_to_string(self.newest()).unwrap()
    }

    pub fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }

    pub fn put_lines(&self, lines: &[String]) {
        fs::write(self.newest(), whole(lines)).unwrap();
    }

    /// Appends to the newest file as nobody but the agent should.
    pub fn put_at_end(&self, bytes: &[u8]) {
        let newest = fs::File::options().append(true).open(self.newest());
        newest.unwrap().write_all(bytes).unwrap();
    }

    pub fn records(&self) -> Vec<Value> {
        let record = |line: &String| serde_json::from_str(line).unwrap();
        self.lines().iter().map(record).collect()
    }

    pub fn events(&self) -> Vec<String> {
        let event = |record: &Value| record["event"].as_str().unwrap().to_owned();
        self.records().iter().map(event).collect()
    }

    /// Names of all files, sorted.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.path).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Names of the files that a rotation has finished, oldest first.
    pub fn finished(&self) -> Vec<String> {
        let mut names = self.names();
        names.retain(|name| name.starts_with("audit.0"));
        names
    }

    /// Name of the ledger that the newest file refers to.
    pub fn ledger(&self) -> String {
        let named = &self.records()[0]["ledger"]["file"];
        named.as_str().unwrap().to_owned()
    }

    /// A copy of all files, for a test to spoil.
    pub fn copy(&self) -> Self {
        let copy = Self::new();
        for name in self.names() {
            fs::copy(self.file(&name), copy.file(&name)).unwrap();
        }
        copy
    }

    /// Opens the trail as the agent of dev.
    #[track_caller]
    pub fn open(&self) -> (Trail, Opened) {
        self.try_open().unwrap()
    }

    pub fn try_open(&self) -> Result<(Trail, Opened), TrailError> {
        self.try_open_as("dev", ROTATE_AT)
    }

    /// Opens a trail that goes on in a new file after so many bytes.
    #[track_caller]
    pub fn open_rotating(&self, rotate_at: u64) -> (Trail, Opened) {
        self.try_open_as("dev", rotate_at).unwrap()
    }

    /// Tests start processes in other threads; between fork and exec such a child holds a copy of every lock of this
    /// process, so "locked" is only believed when it stays.
    pub fn try_open_as(
        &self,
        environment: &str,
        rotate_at: u64,
    ) -> Result<(Trail, Opened), TrailError> {
        let options = TrailOptions {
            state_directory: self.path.clone(),
            environment: environment.to_owned(),
            agent_version: "0.1.0".to_owned(),
            rotate_at,
        };
        for _ in 0..40 {
            match Trail::open(options.clone()) {
                Err(TrailError::Locked(_)) => std::thread::sleep(Duration::from_millis(25)),
                other => return other,
            }
        }
        Trail::open(options)
    }

    /// The text of what `open` refuses with.
    #[track_caller]
    pub fn refusal(&self) -> String {
        self.try_open().map(drop).unwrap_err().to_string()
    }

    /// A whole life of an agent that writes this. Gives the last record as `SEQ:HASH`.
    pub async fn life(&self, events: Vec<Event>) -> String {
        self.life_rotating(ROTATE_AT, events).await
    }

    pub async fn life_rotating(&self, rotate_at: u64, events: Vec<Event>) -> String {
        let (trail, _) = self.open_rotating(rotate_at);
        for event in events {
            trail.append(event).await.unwrap();
        }
        trail.close().await;
        trail.head().to_string()
    }

    /// Changes the records of the newest file as somebody would who makes the chain and the head agree with that.
    pub fn forge(&self, change: impl Fn(&mut Value)) {
        let (mut lines, mut hash, mut seq) = (Vec::new(), None, Value::Null);
        for mut record in self.records() {
            change(&mut record);
            if let Some(hash) = hash {
                record["prev"] = Value::String(hash);
            }
            hash = Some(sha256(format!("{record}\n").as_bytes()));
            seq = record["seq"].clone();
            lines.push(record.to_string());
        }
        self.put_lines(&lines);
        let head = format!("{seq}:{}\n", hash.unwrap());
        fs::write(self.file("audit.head"), head).unwrap();
    }

    pub fn verdict(&self) -> (Verdict, String) {
        verdict_of(&self.path, None, false)
    }

    #[track_caller]
    pub fn assert_intact(&self) {
        let (verdict, said) = self.verdict();
        assert_eq!(verdict, Verdict::Intact, "{said}");
    }

    /// What `verify` says; `what` was done to the trail.
    #[track_caller]
    pub fn assert_broken(&self, what: &str) -> String {
        let (verdict, said) = self.verdict();
        assert_eq!(verdict, Verdict::Broken, "{what}: {said}");
        said
    }
}

/// The file that these lines make.
pub fn whole(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn sha256(bytes: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, bytes);
    hash.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

/// What `verify` says of a directory or a file. `expect` is `SEQ:HASH`.
pub fn verdict_of(path: &Path, expect: Option<&dyn Display>, partial: bool) -> (Verdict, String) {
    try_verdict_of(path, expect, partial).unwrap()
}

pub fn try_verdict_of(
    path: &Path,
    expect: Option<&dyn Display>,
    partial: bool,
) -> io::Result<(Verdict, String)> {
    let options = VerifyOptions {
        path: path.to_owned(),
        expect: expect.map(|anchor| anchor.to_string().parse().unwrap()),
        anchors: Vec::new(),
        partial,
    };
    let mut said = Vec::new();
    let verdict = verify(&options, &mut said)?;
    Ok((verdict, String::from_utf8(said).unwrap()))
}

/// The file with the bytes that were no record, and how many they are.
pub fn quarantined(opened: &Opened) -> Option<(String, u64)> {
    let torn = opened.torn.as_ref()?;
    Some((torn.file.clone(), torn.bytes))
}
