//! A state directory for one run of a target, and what may be asked of any trail in it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use deploy_agent::audit::{
    Opened, ROTATE_AT, Trail, TrailError, TrailOptions, Verdict, VerifyOptions, verify,
};
use deploy_agent::history::{HistoryOptions, history};
use serde_json::Value;

/// A directory of mode 0700 that goes away with its value.
pub struct TrailDir(PathBuf);

impl TrailDir {
    pub fn new() -> Self {
        use std::os::unix::fs::DirBuilderExt as _;
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("fuzz-{}-{n}", std::process::id()));
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .expect("made");
        Self(path)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        use std::io::Write as _;
        use std::os::unix::fs::OpenOptionsExt as _;
        let mut how = std::fs::OpenOptions::new();
        let file = how
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.0.join(name));
        file.and_then(|mut file| file.write_all(bytes))
            .expect("written");
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.join(name)).unwrap_or_default()
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// As an agent does at its start.
    pub fn open(&self) -> Result<Opened, TrailError> {
        for _ in 0..200 {
            let opened = Trail::open(TrailOptions {
                state_directory: self.0.clone(),
                environment: "dev".to_owned(),
                agent_version: "0.1.0".to_owned(),
                rotate_at: ROTATE_AT,
            });
            // A child of another thread may hold a copy of the lock between fork and exec.
            if !matches!(opened, Err(TrailError::Locked(_))) {
                return opened.map(|(_, opened)| opened);
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("the directory stays locked");
    }

    /// What `verify` says; it must be able to say something.
    pub fn verdict(&self) -> (Verdict, String) {
        let options = VerifyOptions {
            path: self.0.clone(),
            expect: None,
            anchors: Vec::new(),
            partial: false,
        };
        let mut said = Vec::new();
        let verdict = verify(&options, &mut said).expect("readable");
        let said = String::from_utf8(said).expect("text");
        assert!(
            said.lines().all(|line| !line.contains(char::is_control)),
            "{said:?}"
        );
        (verdict, said)
    }

    /// What `history --json --rejected` shows: one object a line.
    pub fn history(&self) -> Vec<Value> {
        let options = |json| HistoryOptions {
            path: self.0.clone(),
            json,
            rejected: true,
            ..HistoryOptions::default()
        };
        let mut shown = Vec::new();
        history(&options(false), &mut shown).expect("readable");
        let table = String::from_utf8(shown).expect("text");
        let obeyed = |c: char| c.is_control() && c != '\n';
        assert!(!table.contains(obeyed), "a terminal would obey: {table:?}");
        let mut shown = Vec::new();
        history(&options(true), &mut shown).expect("readable");
        let text = String::from_utf8(shown).expect("text");
        let object = |line| serde_json::from_str(line).expect("JSON");
        text.lines().map(object).collect()
    }

    /// Later starts find nothing torn, change nothing that is there, and soon have nothing new to say. Not at once: where
    /// records were spliced so that numbers go back, a later start may find a number twice.
    pub fn is_calm(&self) {
        let mut added = 0;
        for _ in 0..4 {
            let before = self.read("audit.jsonl");
            let opened = self.open().expect("it was opened before");
            assert_eq!(opened.torn, None);
            let after = self.read("audit.jsonl");
            let more = after.strip_prefix(before.as_slice());
            added = count(more.expect("nothing that is there is changed"));
            if added == 1 {
                return;
            }
        }
        panic!("the fourth start wrote {added} records and not only that it started");
    }
}

impl Drop for TrailDir {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn count(lines: &[u8]) -> usize {
    lines.iter().filter(|byte| **byte == b'\n').count()
}
