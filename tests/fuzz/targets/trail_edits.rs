//! Real trails with edits: any change but a torn end is found by `verify`, a start says so too, and no record before
//! the first change is lost to anybody.

use deploy_agent::audit::Verdict;

use super::trail_dir::TrailDir;

type Files = &'static [(&'static str, &'static [u8])];

/// Written by an agent in the tests: deploys, a refusal, a failure, a stop.
const ONE_FILE: Files = &[
    ("audit.jsonl", include_bytes!("../trails/one/audit.jsonl")),
    ("audit.head", include_bytes!("../trails/one/audit.head")),
    ("environment", b"dev\n"),
];

/// The same, gone on in a second file.
const TWO_FILES: Files = &[
    ("audit.jsonl", include_bytes!("../trails/two/audit.jsonl")),
    ("audit.head", include_bytes!("../trails/two/audit.head")),
    (
        "audit.000000000001.jsonl",
        include_bytes!("../trails/two/audit.000000000001.jsonl"),
    ),
    (
        "ledger.000000000012.json",
        include_bytes!("../trails/two/ledger.000000000012.json"),
    ),
    ("environment", b"dev\n"),
];

pub fn check(data: &[u8]) {
    let Some((which, edits)) = data.split_first() else {
        return;
    };
    let files = if which % 2 == 0 { ONE_FILE } else { TWO_FILES };
    let editable = 1 + usize::from(files.len() > 3) * 2;
    let mut changed: Vec<(&str, Vec<u8>)> = files
        .iter()
        .map(|(name, bytes)| (*name, bytes.to_vec()))
        .collect();
    for edit in edits.chunks_exact(5) {
        let file = [0, 2, 3][usize::from(edit[0]) % editable];
        apply(
            &mut changed[file].1,
            edit[1],
            usize::from(u16::from_le_bytes([edit[2], edit[3]])),
            edit[4],
        );
    }
    let trail_dir = TrailDir::new();
    for (name, bytes) in &changed {
        trail_dir.write(name, bytes);
    }
    let first = |file: usize| common(files[file].1, &changed[file].1);
    let newest = &changed[0].1;
    let torn_end = newest
        .strip_prefix(files[0].1)
        .filter(|end| !end.is_empty() && !end.contains(&b'\n'));
    let others_as_written = (1..files.len()).all(|file| changed[file].1 == files[file].1);
    let as_written = others_as_written && (newest == files[0].1 || torn_end.is_some());
    let (verdict, said) = trail_dir.verdict();
    assert_eq!(verdict == Verdict::Intact, as_written, "{said}");

    let whole = files[0].1[..first(0)]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    if others_as_written {
        shows_all_that_ended(&trail_dir, files, whole);
    }
    if let Ok(opened) = trail_dir.open() {
        assert!(
            trail_dir
                .read("audit.jsonl")
                .starts_with(&files[0].1[..whole]),
            "good records stay"
        );
        let alarmed = opened.torn.is_some() || !opened.problems.is_empty();
        if others_as_written {
            assert_eq!(
                alarmed,
                !as_written || torn_end.is_some(),
                "{said} {:?}",
                opened.problems
            );
            shows_all_that_ended(&trail_dir, files, whole);
        }
        if !as_written {
            assert_eq!(
                trail_dir.verdict().0,
                Verdict::Broken,
                "a start does not mend what was changed"
            );
        }
        trail_dir.is_calm();
    }
}

fn apply(bytes: &mut Vec<u8>, kind: u8, at: usize, value: u8) {
    let at = at % (bytes.len() + 1);
    match kind % 5 {
        0 if at < bytes.len() => bytes[at] ^= value,
        1 => bytes.insert(at, value),
        2 => bytes.truncate(at),
        3 if at < bytes.len() => drop(bytes.drain(at..(at + usize::from(value)).min(bytes.len()))),
        4 => {
            // A whole line, twice or somewhere else.
            let lines: Vec<Vec<u8>> = bytes
                .split_inclusive(|b| *b == b'\n')
                .map(<[u8]>::to_vec)
                .collect();
            if let Some(line) = lines.get(at % lines.len().max(1)) {
                let to: usize = lines
                    .iter()
                    .take(usize::from(value) % lines.len())
                    .map(Vec::len)
                    .sum();
                bytes.splice(to..to, line.iter().copied());
            }
        }
        _ => {}
    }
}

fn common(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}

/// Every operation whose end is in what was not changed.
fn shows_all_that_ended(trail_dir: &TrailDir, files: Files, whole: usize) {
    let shown = trail_dir.history();
    let before = files.iter().filter(|(name, _)| name.starts_with("audit.0"));
    let lines = before
        .map(|(_, bytes)| *bytes)
        .chain([&files[0].1[..whole]]);
    for line in lines.flat_map(|bytes| bytes.split_inclusive(|byte| *byte == b'\n')) {
        let record: serde_json::Value = serde_json::from_slice(line).expect("a good line");
        if record["event"] == "operation_ended" {
            let there = shown
                .iter()
                .any(|entry| entry["operation"] == record["operation"]);
            assert!(there, "{} is lost", record["operation"]);
        }
    }
}
