//! In the place of a file that a reader opens may stand anything: a pipe, a directory, a link, a device, a line without
//! end. Each reader says so soon, by name; none waits for it, or reads it into memory.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use deploy_agent::audit::Verdict;
use deploy_agent::history::{HistoryOptions, history};

use super::events::tag_ran;
use super::fixture::{TrailDir, try_verdict_of};

const READER: &str = "TRAIL_ODD_READER";
const AT: &str = "TRAIL_ODD_PATH";
const ALL: &[&str] = &["verify", "history", "open"];
/// A reader that takes longer waits for something.
const SOON: Duration = Duration::from_secs(30);
/// A reader that needs more, in KiB, reads what has no end.
const MEMORY: u64 = 64 * 1024;
/// What a reader may have of addresses, in KiB, so that one that reads without end stops.
const ADDRESSES: u64 = 2 * 1024 * 1024;
const ENDLESS: u64 = 1024 * 1024 * 1024;

fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse().unwrap()
}

fn read(reader: &str, path: &Path) -> String {
    match reader {
        "verify" => match try_verdict_of(path, None, false) {
            Ok((Verdict::Intact, said)) => said,
            Ok((Verdict::Broken, said)) => format!("objects: {said}"),
            Err(error) => format!("objects: {error}"),
        },
        "history" => {
            let options = HistoryOptions {
                path: path.to_owned(),
                ..HistoryOptions::default()
            };
            let mut said = Vec::new();
            match history(&options, &mut said) {
                Ok(()) => String::from_utf8(said).unwrap(),
                Err(error) => format!("objects: {error}"),
            }
        }
        _ => match TrailDir::at(path.to_owned()).try_open() {
            Ok((_, opened)) if opened.problems.is_empty() => "opened".to_owned(),
            Ok((_, opened)) => format!("objects: {}", opened.problems.join("; ")),
            Err(error) => format!("objects: {error}"),
        },
    }
}

/// Runs one reader, and says what came of it and how much memory that took.
#[test]
#[ignore = "is the process that the tests below start"]
fn reader() {
    let (Ok(reader), Some(path)) = (std::env::var(READER), std::env::var_os(AT)) else {
        return;
    };
    let before = peak();
    let said: String = read(&reader, path.as_ref()).chars().take(2000).collect();
    println!("\n{said}\ngrown by {} KiB", peak() - before);
}

/// What `reader` says of `path`, in a process of its own.
fn said_by(reader: &str, path: &Path) -> Result<String, String> {
    let begun = Instant::now();
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(format!("ulimit -v {ADDRESSES}; exec \"$0\" \"$@\""))
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture"])
        .arg("trail::odd_files::reader")
        .env(READER, reader)
        .env(AT, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if begun.elapsed() > SOON => {
                child.kill().unwrap();
                child.wait().unwrap();
                return Err("is still at it".to_owned());
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let mut said = String::new();
    let mut out = child.stdout.take().unwrap();
    out.read_to_string(&mut said).unwrap();
    let grown: Option<u64> = said
        .split_once("grown by ")
        .and_then(|(_, rest)| rest.split_once(" KiB")?.0.parse().ok());
    match grown {
        Some(grown) if grown < MEMORY => Ok(said),
        Some(grown) => Err(format!("took {grown} KiB")),
        None => Err(format!("ended with {status}")),
    }
}

/// Files beside each other in a trail, each with the readers that need it, and so must say what is wrong with it.
type Places = Vec<(String, &'static [&'static str])>;

async fn trail() -> (TrailDir, Places) {
    let dir = TrailDir::new();
    let tags = (0..9).map(|n| tag_ran("x", &format!("r:v{n}"), "id"));
    dir.life_rotating(1000, tags.collect()).await;
    let finished = dir.finished().pop().unwrap();
    dir.put_at_end(b"half a li");
    dir.life(vec![]).await;
    let mut recorded = dir.names();
    recorded.retain(|name| name.starts_with("audit.torn."));
    let seq = dir.records().last().unwrap()["seq"].as_u64().unwrap();
    let unrecorded = format!("audit.torn.{seq:012}.0.jsonl");
    fs::write(dir.file(&unrecorded), "half a li").unwrap();
    fs::set_permissions(dir.file(&unrecorded), Permissions::from_mode(0o600)).unwrap();
    dir.assert_intact();
    let places = vec![
        ("audit.jsonl".to_owned(), ALL),
        (finished, ALL),
        ("audit.head".to_owned(), &["verify", "open"]),
        (dir.ledger(), &["verify", "open"]),
        (recorded.remove(0), &["verify"]),
        (unrecorded, &["open"]),
    ];
    (dir, places)
}

/// Puts something odd in the place of each file in turn, and has each reader read the trail.
async fn assert_each_is_named(put: impl Fn(PathBuf)) {
    let (whole, places) = trail().await;
    let mut wrong = Vec::new();
    for (name, need) in places {
        for reader in ALL {
            let dir = whole.copy();
            fs::rename(dir.file(&name), dir.file("elsewhere")).unwrap();
            put(dir.file(&name));
            // A start says that a file does not follow the one before it, by whichever name.
            let named = |said: &str| said.contains(&name) || said.contains("the file before it");
            let names_it = |said: &str| said.contains("objects: ") && named(said);
            match said_by(reader, dir.path()) {
                Ok(said) if !need.contains(reader) || names_it(&said) => {}
                Ok(said) => wrong.push(format!("{reader} without {name} says {said}")),
                Err(how) => wrong.push(format!("{reader} without {name} {how}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn run(program: &str, arguments: &[&str], path: &Path) {
    let done = Command::new(program)
        .args(["-m", "600"])
        .arg(path)
        .args(arguments)
        .status();
    assert!(done.is_ok_and(|status| status.success()), "{program}");
}

fn a_line_without_end(path: &Path) {
    let file = File::create(path).unwrap();
    file.set_permissions(Permissions::from_mode(0o600)).unwrap();
    file.set_len(ENDLESS).unwrap();
}

#[tokio::test]
async fn a_pipe_is_named_and_not_waited_for() {
    assert_each_is_named(|path| run("mkfifo", &[], &path)).await;
}

#[tokio::test]
async fn a_directory_is_named() {
    assert_each_is_named(|path| DirBuilder::new().mode(0o700).create(path).unwrap()).await;
}

#[tokio::test]
async fn a_link_is_named_though_it_leads_to_the_file_that_was_there() {
    assert_each_is_named(|path| symlink("elsewhere", path).unwrap()).await;
}

/// A device as `/dev/zero`; making one needs root.
#[tokio::test]
async fn a_device_is_named_and_not_read() {
    assert_each_is_named(|path| run("mknod", &["c", "1", "5"], &path)).await;
}

#[tokio::test]
async fn a_line_without_end_is_named_and_not_read_into_memory() {
    assert_each_is_named(|path| a_line_without_end(&path)).await;
}

#[tokio::test]
async fn a_line_without_end_behind_the_last_record_is_named_and_not_read_into_memory() {
    let (whole, _) = trail().await;
    for reader in ["verify", "open"] {
        let dir = whole.copy();
        let newest = File::options().write(true).open(dir.newest()).unwrap();
        newest.set_len(ENDLESS).unwrap();
        let said = said_by(reader, dir.path()).unwrap();
        assert!(said.contains("objects: "), "{reader}: {said}");
        assert!(said.contains("audit.jsonl"), "{reader}: {said}");
    }
}

#[tokio::test]
async fn a_single_file_that_is_a_pipe_or_a_line_without_end_is_named() {
    let dir = TrailDir::new();
    let (pipe, endless) = (dir.file("pipe"), dir.file("endless"));
    run("mkfifo", &[], &pipe);
    a_line_without_end(&endless);
    let mut wrong = Vec::new();
    for path in [pipe, endless] {
        let name = path.file_name().unwrap().to_str().unwrap();
        for reader in ["verify", "history"] {
            match said_by(reader, &path) {
                Ok(said) if said.contains("objects: ") && said.contains(name) => {}
                other => wrong.push(format!("{reader} of {name}: {other:?}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
