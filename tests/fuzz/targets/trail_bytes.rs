//! Any bytes as `audit.jsonl`, with a head that notes their last whole line: every reader copes, opening loses nothing,
//! and what `verify` calls intact no start calls damaged.

use aws_lc_rs::digest;
use deploy_agent::audit::{TrailError, Verdict};
use serde_json::Value;

use super::trail_dir::TrailDir;

pub fn check(data: &[u8]) {
    let trail_dir = TrailDir::new();
    trail_dir.write("audit.jsonl", data);
    let whole = data
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    if let Some(head) = head_of(&data[..whole]) {
        trail_dir.write("audit.head", head.as_bytes());
    }
    let (verdict, said) = trail_dir.verdict();
    trail_dir.history();
    match trail_dir.open() {
        Ok(opened) => {
            let after = trail_dir.read("audit.jsonl");
            nothing_is_lost(data, &after, &trail_dir);
            if verdict == Verdict::Intact {
                assert!(opened.problems.is_empty(), "{said} {:?}", opened.problems);
                assert_eq!(opened.torn.is_some(), whole < data.len());
            }
            trail_dir.history();
            trail_dir.is_calm();
        }
        Err(TrailError::Damaged { .. }) => {
            assert_eq!(
                trail_dir.read("audit.jsonl"),
                data,
                "what is refused is left alone"
            );
        }
        Err(error) => panic!("{error}"),
    }
}

/// `SEQ:HASH` of the last line, where it has a sequence number.
fn head_of(whole: &[u8]) -> Option<String> {
    let last = whole.split_inclusive(|byte| *byte == b'\n').next_back()?;
    let seq = serde_json::from_slice::<Value>(last)
        .ok()?
        .get("seq")?
        .as_u64()?;
    let hash = digest::digest(&digest::SHA256, last);
    let hash: String = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Some(format!("{seq}:{hash}\n"))
}

/// What stays is a beginning of what was there, up to the end of a line; the rest is in a file of its own, and no
/// record is in it.
fn nothing_is_lost(data: &[u8], after: &[u8], trail_dir: &TrailDir) {
    let mut aside = Vec::new();
    for entry in std::fs::read_dir(trail_dir.path()).expect("readable") {
        let name = entry
            .expect("an entry")
            .file_name()
            .into_string()
            .expect("text");
        if name.starts_with("audit.torn.") {
            aside.push(trail_dir.read(&name));
        }
    }
    assert!(aside.len() <= 1);
    let aside = aside.pop().unwrap_or_default();
    let kept = data
        .strip_suffix(aside.as_slice())
        .expect("the end is what was kept aside");
    assert!(kept.is_empty() || kept.ends_with(b"\n"));
    assert!(after.starts_with(kept), "the beginning is where it was");
    for line in aside.split_inclusive(|byte| *byte == b'\n') {
        assert!(!is_plain_record(line), "{}", String::from_utf8_lossy(line));
    }
}

/// A whole line with the six fields that every record has, and no other.
fn is_plain_record(line: &[u8]) -> bool {
    let Ok(Value::Object(record)) = serde_json::from_slice::<Value>(line) else {
        return false;
    };
    let text = |name: &str| record.get(name).is_some_and(Value::is_string);
    line.ends_with(b"\n")
        && record.len() == 6
        && record.get("v") == Some(&1.into())
        && record.get("seq").is_some_and(Value::is_u64)
        && ["at", "agent_version", "prev", "event"]
            .into_iter()
            .all(text)
}
