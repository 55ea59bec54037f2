//! The settings file means to the agent what it means to systemd: each file goes through a transient unit's
//! `EnvironmentFile=` on a booted host, and through the agent's own reader.

use std::collections::BTreeMap;
use std::path::Path;

use deploy_agent::settings::env_file::{self, CommentEscape};

use super::host::Host;

/// How many files are made by chance, from a seed that the test prints.
const BY_CHANCE: usize = 400;

/// By hand: what people write, and what is told otherwise somewhere.
const BY_HAND: [&[u8]; 48] = [
    b"A=1\n",
    b"A=1",
    b"",
    b"\n\n",
    b"  A = 1 \n",
    b"A=\n",
    b"A\n",
    b"=1\n",
    b"A=b=c\n",
    b"A=\"x  y\"  \n",
    b"A='x  y'\n",
    b"A='x'\"y\"z w \n",
    b"A=x'y'\"z\"\n",
    b"A=\"x\"#y\n",
    b"A=1 # c\n",
    b"# c\nA=1\n",
    b"; c\nA=1\n",
    b" # c\nA=1\n",
    b"# c \\\nA=1\nB=2\n",
    b"; c\\\nA=1\n",
    b"# c \\\\\nA=1\n",
    b"A=1\\\n2\n",
    b"A=1\\\n# 2\nB=3\n",
    b"A=1 \\\n  2\n",
    b"A=x\\ty\\\\z\\ \n",
    b"A=\"x\\\"y\\$z\\`\\\\\\q\\n\"\n",
    b"A=\"x\\\ny\"\n",
    b"A='x\\\ny'\n",
    b"A=\"x\ny\n\"\nB=1\n",
    b"A='x\ny'\nB=1\n",
    b"A=\"open\nB=2\n",
    b"A='open\nB=2\n",
    b"A=1\r\nB=2\r\n",
    b"A=\"1\"\r\nB='2'\r\n",
    b"A=\"1\r\n2\"\n",
    b"export A=1\nB=2\n",
    b"A.B=1\nB=2\n",
    b"A-B=1\nB=2\n",
    b"1A=1\nB=2\n",
    b"\xef\xbb\xbfA=1\nB=2\n",
    b"A=\xc3\xa9\n",
    b"A=\xff\nB=1\n",
    b"# \xff\nA=1\n",
    b"A=1\0\nB=2\n",
    b"A=x\x01y\nB=1\n",
    b"A=\"x\ty\"\nB=x\ty\n",
    b"A=1\nA=2\nA=\n",
    b"A=`1`\nB=$C\nC=${A}\n",
];

/// Pieces that files by chance are made of.
const PIECES: [&str; 27] = [
    "A", "B_1", "C", "=", "=", "=", "'", "\"", "\\", "\n", "\n", "\n", " ", "\t", "#", ";", "x",
    "y z", "\r", "\r\n", "export ", ".", "$", "`", "\u{e9}", "\u{feff}", "\\n",
];

fn by_chance(seed: u64) -> Vec<Vec<u8>> {
    let mut state = seed | 1;
    let mut dice = move |sides: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 8).expect("64 bits") % sides
    };
    let file = |_| {
        // Most begin as an assignment: what follows one is where readers differ.
        let start = ["A=", "A=", "B_1=", ""][dice(4)];
        let pieces = 1 + dice(24);
        let rest: String = (0..pieces).map(|_| PIECES[dice(PIECES.len())]).collect();
        format!("{start}{rest}").into_bytes()
    };
    (0..BY_CHANCE).map(file).collect()
}

/// The variables that a unit of the host got; none if systemd refused its file.
fn by_systemd(output: &Path) -> Option<BTreeMap<String, String>> {
    let bytes = std::fs::read(output).ok()?;
    let pairs = bytes
        .split(|byte| *byte == 0)
        .filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| {
        let pair = std::str::from_utf8(pair).expect("UTF-8");
        let (name, value) = pair.split_once('=').expect("a name and a value");
        (name.to_owned(), value.to_owned())
    });
    Some(pairs.collect())
}

#[test]
fn the_settings_file_is_read_as_systemd_reads_it() {
    let seed = std::env::var("ORACLE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()) * 2_654_435_761);
    println!("ORACLE_SEED={seed}");
    let files: Vec<Vec<u8>> = BY_HAND
        .iter()
        .map(|file| file.to_vec())
        .chain(by_chance(seed))
        .collect();
    let directory = tempfile::tempdir().expect("a directory");
    let cases = directory.path().join("oracle");
    std::fs::create_dir(&cases).expect("made");
    for (index, file) in files.iter().enumerate() {
        std::fs::write(cases.join(format!("{index}.env")), file).expect("written");
    }
    let host = Host::boot();
    host.copy(&cases, "/srv/oracle");
    host.ok(
        "cd /srv/oracle && run() { systemd-run --quiet --wait --pipe --collect \"$@\" /usr/bin/env -0; } && \
         run >own.out && for file in *.env; do \
         run --property EnvironmentFile=/srv/oracle/$file >${file%.env}.out 2>/dev/null || rm ${file%.env}.out; done",
    );
    host.fetch("/srv/oracle", directory.path());
    let version = host.ok("systemctl --version | sed -n '1s/systemd \\([0-9]*\\).*/\\1/p'");
    let escape = match version.trim().parse::<u32>().expect("a version") {
        ..254 => CommentEscape::JoinsNextLine,
        254.. => CommentEscape::EndsWithLine,
    };
    let own = by_systemd(&cases.join("own.out")).expect("a unit without a file runs");
    let mut differences = Vec::new();
    let mut taken = 0;
    for (index, file) in files.iter().enumerate() {
        let mut theirs = by_systemd(&cases.join(format!("{index}.out")));
        if let Some(found) = &mut theirs {
            // What systemd sets in every unit.
            found.retain(|name, _| !own.contains_key(name));
        }
        taken += usize::from(theirs.as_ref().is_some_and(|found| !found.is_empty()));
        let ours = env_file::parse(file, escape).ok();
        let ours: Option<BTreeMap<String, String>> =
            ours.map(|found| found.variables.into_iter().collect());
        if ours != theirs {
            let text = String::from_utf8_lossy(file).into_owned();
            differences.push(format!("{text:?}\n  ours {ours:?}\n  systemd {theirs:?}"));
        }
    }
    println!("tried: {} cases of the settings file", files.len());
    assert!(taken > files.len() / 2, "systemd took only {taken} of them");
    assert!(
        differences.is_empty(),
        "systemd {version}: {} of {} differ\n{}",
        differences.len(),
        files.len(),
        differences.join("\n")
    );
}
