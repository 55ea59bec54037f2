//! A runtime that fills the disk of the trail through its own bind, and goes on taking every block that comes free: it is
//! stopped, and that is recorded; what cannot be recorded is done all the same, and recorded when there is room.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use super::loop_disk::Disk;
use super::read_only::assert_stopped_without_a_record;
use crate::harness::notify::{reporting, told};
use crate::harness::{Agent, Answer, Kind, World, until};
use crate::trail::small_disk::SmallDisk;

on_both_engines!(
    a_runtime_that_fills_the_disk_through_its_bind_is_stopped_and_that_is_recorded,
    an_agent_starts_on_a_full_disk_serves_the_status_and_stops,
    half_a_line_on_a_full_disk_is_kept_aside_and_a_stop_is_carried_out,
    without_any_room_a_stop_is_carried_out_and_recorded_when_there_is_some,
    an_agent_that_cannot_open_its_trail_for_want_of_room_serves_stops_and_goes_on_by_itself,
    an_operation_that_a_kill_left_is_closed_on_a_full_disk,
    an_engine_whose_own_disk_is_the_full_one_stops_as_well,
);

/// A runtime that fills the disk through its bind; where the engine is a fake one, so is the runtime, and the test does
/// what it would do.
struct Filler {
    bind: PathBuf,
    ended: Arc<AtomicBool>,
    by_hand: Option<JoinHandle<()>>,
}

impl Filler {
    /// Puts its image there as 1.0.0, beside a 2.0.0 that only runs, and starts the agent.
    fn prepare(world: &mut World, disk: &Disk) -> (Self, Agent) {
        let bind = disk.bind(world);
        world.push("1.0.0", &["fill", "/var/lib/dreichor/audit-events/filler"]);
        world.push("2.0.0", &["run"]);
        let filler = Self {
            bind,
            ended: Arc::default(),
            by_hand: None,
        };
        (filler, world.agent())
    }

    /// Deploys it, and waits until nothing is left.
    fn deploy(&mut self, world: &World, disk: &Disk, agent: &Agent) {
        let answer = agent.deploy(&world.image("1.0.0"));
        assert_eq!(answer.status, 200, "{}", answer.body);
        if world.kind == Kind::Fake {
            let (path, ended) = (self.bind.join("filler"), Arc::clone(&self.ended));
            self.by_hand = Some(std::thread::spawn(move || fill(&path, &ended)));
        }
        until("the disk is full", Duration::from_secs(30), || {
            disk.is_full()
        });
    }

    /// Ends the one of the fake engine, and gives the room back.
    fn free(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        if let Some(by_hand) = self.by_hand.take() {
            by_hand.join().expect("it ends");
        }
        fs::remove_file(self.bind.join("filler")).expect("it was there");
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
    }
}

fn fill(path: &PathBuf, ended: &AtomicBool) {
    let mut file = fs::File::create(path).expect("made");
    let piece = [b'x'; 65_536];
    while !ended.load(Ordering::SeqCst) {
        let sizes = [piece.len(), 4096, 1];
        if !sizes
            .iter()
            .any(|size| file.write_all(&piece[..*size]).is_ok())
        {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Deploys until there is no room for one more to begin; the image is not there, so that none of them touches anything.
fn deploy_until_refused(world: &World, agent: &Agent) -> Answer {
    for _ in 0..500 {
        let answer = agent.deploy(&world.image("9.9.9"));
        if answer.status == 500 {
            return answer;
        }
        assert_eq!(answer.status, 502, "{}", answer.body);
    }
    panic!("the disk is full");
}

/// What `deploy-agent` says of this state directory, or to the agent that has it.
fn command(disk: &Disk, command: &str, arguments: &[&str]) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_deploy-agent"));
    program.arg(command).args(arguments).env_clear();
    match command {
        "status" => program
            .args(["dev", "--socket"])
            .arg(disk.state().join("operator.sock")),
        _ => program.arg(disk.state()),
    };
    let output = program.output().expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8(said).expect("text")
}

/// The outcomes of all stops that the trail has; what is no record is no matter of this.
fn stops(disk: &Disk) -> Vec<Value> {
    let trail = disk.trail();
    let records = trail
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    records
        .filter(|record| record["event"] == "operation_ended" && record["kind"] == "stop")
        .collect()
}

fn assert_stopped(world: &World, agent: &Agent) {
    let answer = agent.stop();
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.header("Dreichor-Audit-Head").is_some());
    assert!(world.container().is_none());
    assert_eq!(agent.status()["running"], false);
}

fn a_runtime_that_fills_the_disk_through_its_bind_is_stopped_and_that_is_recorded(
    mut world: World,
) {
    let disk = Disk::under(&mut world);
    let metrics = world.path("dreichor-dev.prom");
    world.set("METRICS_FILE", &metrics.display().to_string());
    let (mut filler, agent) = Filler::prepare(&mut world, &disk);
    filler.deploy(&world, &disk, &agent);
    let old = world.identity();
    let refused = deploy_until_refused(&world, &agent);
    let reason = refused.reason();
    assert!(
        reason.contains("nothing was started: the audit trail") && reason.contains("No space left"),
        "{reason}"
    );
    // However many are refused: what is set aside is not for them.
    for _ in 0..300 {
        assert_eq!(agent.deploy(&world.image("2.0.0")).status, 500);
    }
    assert_eq!(world.identity(), old);
    assert_eq!(agent.status()["running"], true);
    let said = command(&disk, "status", &[]);
    assert!(
        said.contains("cannot be written, deploys are refused") && said.contains("No space left"),
        "{said}"
    );
    let told = |value: u32| {
        let line = format!("dreichor_trail_writable{{environment=\"dev\"}} {value}");
        until(&line, Duration::from_secs(30), || {
            fs::read_to_string(&metrics).is_ok_and(|text| text.contains(&line))
        });
    };
    told(0);
    for _ in 0..3 {
        assert_stopped(&world, &agent);
    }
    assert!(disk.is_full());
    filler.free();
    until("a deploy is taken", Duration::from_secs(30), || {
        agent.deploy(&world.image("2.0.0")).status == 200
    });
    told(1);
    assert!(!command(&disk, "status", &[]).contains("cannot be written"));
    let outcomes: Vec<Value> = stops(&disk)
        .iter()
        .map(|stop| stop["outcome"].clone())
        .collect();
    assert_eq!(outcomes, ["succeeded", "succeeded", "succeeded"]);
    let said = command(&disk, "history", &[]);
    assert_eq!(said.matches("stop ").count(), 3, "{said}");
    let log = agent.log();
    for part in [
        "the audit trail cannot be written",
        "the audit trail can be written again",
    ] {
        assert!(log.contains(part), "{part}");
    }
    agent.end();
    disk.assert_intact();
}

fn an_agent_starts_on_a_full_disk_serves_the_status_and_stops(mut world: World) {
    let disk = Disk::under(&mut world);
    let (mut filler, mut agent) = Filler::prepare(&mut world, &disk);
    filler.deploy(&world, &disk, &agent);
    deploy_until_refused(&world, &agent);
    let old = world.identity();
    for signal in ["TERM", "KILL", "TERM", "KILL"] {
        agent.signal(signal);
        agent.wait();
        agent = world.agent();
        assert_serves(&world, &disk, &agent, &old);
    }
    assert_stopped(&world, &agent);
    filler.free();
    until("a deploy is taken", Duration::from_secs(30), || {
        agent.deploy(&world.image("2.0.0")).status == 200
    });
    assert_eq!(stops(&disk).len(), 1);
    agent.end();
    disk.assert_intact();
}

/// The status is served, a deploy is refused, and both say why; the old container is untouched.
fn assert_serves(world: &World, disk: &Disk, agent: &Agent, old: &Value) {
    let status = agent.status();
    assert_eq!(
        (&status["running"], &status["image"]),
        (&json!(true), &json!(world.image("1.0.0")))
    );
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(answer.status, 500, "{}", answer.body);
    let reason = answer.reason();
    assert!(
        reason.contains("nothing was started: the audit trail") && reason.contains("No space left"),
        "{reason}"
    );
    let said = command(disk, "status", &[]);
    assert!(
        said.contains("cannot be written, deploys are refused") && said.contains("No space left"),
        "{said}"
    );
    assert_eq!(world.identity(), *old);
}

fn half_a_line_on_a_full_disk_is_kept_aside_and_a_stop_is_carried_out(mut world: World) {
    let disk = Disk::under(&mut world);
    let (mut filler, mut agent) = Filler::prepare(&mut world, &disk);
    filler.deploy(&world, &disk, &agent);
    deploy_until_refused(&world, &agent);
    let old = world.identity();
    agent.signal("KILL");
    agent.wait();
    let newest = disk.state().join("audit.jsonl");
    let newest = fs::File::options().append(true).open(newest);
    newest
        .and_then(|mut newest| newest.write_all(b"{\"v\":1,\"half a li"))
        .expect("into what is set aside");
    agent = world.agent();
    assert_serves(&world, &disk, &agent, &old);
    // Whether there is room for the record is a race with who fills the disk; the stop is none.
    let answer = agent.stop();
    assert!(
        answer.status == 200
            || answer
                .reason()
                .contains("stop took effect, but its outcome"),
        "{}",
        answer.body
    );
    assert!(world.container().is_none());
    filler.free();
    until("the stop is recorded", Duration::from_secs(30), || {
        stops(&disk).len() == 1
    });
    until("a deploy is taken", Duration::from_secs(30), || {
        agent.deploy(&world.image("2.0.0")).status == 200
    });
    assert_eq!(disk.trail().matches("torn_line_kept_aside").count(), 1);
    agent.end();
    disk.assert_intact();
}

fn without_any_room_a_stop_is_carried_out_and_recorded_when_there_is_some(mut world: World) {
    let disk = Disk::under(&mut world);
    let (mut filler, agent) = Filler::prepare(&mut world, &disk);
    let reserve = disk.state().join("reserve");
    assert!(reserve.exists());
    filler.deploy(&world, &disk, &agent);
    // The one that fills it stays, and takes what the reserve gives back before a stop can have all of it.
    if world.kind == Kind::Real {
        world.engine(
            "POST",
            &format!(
                "/containers/{}/rename?name={}-filler",
                world.name, world.name
            ),
            None,
        );
    }
    let mut recorded = 0;
    while agent.stop().status == 200 {
        recorded += 1;
        assert!(recorded < 2000, "the disk is full");
    }
    assert!(recorded > 30, "room for {recorded} stops only");
    let kept = reserve.metadata().expect("it stays").len();
    assert_eq!(kept, 0, "it has been given back");
    let id = world.foreign_container("2.0.0", "no");
    world.act(&id, "start");
    assert_stopped_without_a_record(&world, &agent, "No space left");
    assert_eq!(stops(&disk).len(), recorded);
    if world.kind == Kind::Real {
        let path = format!("/containers/{}-filler?force=1&v=1", world.name);
        world.engine("DELETE", &path, None);
    }
    filler.free();
    // The first that failed, and the one that stopped something.
    until("they are recorded", Duration::from_secs(30), || {
        stops(&disk).len() == recorded + 2
    });
    let last = stops(&disk).pop().expect("the last");
    assert_eq!(
        (&last["outcome"], &last["state"]),
        (&json!("succeeded"), &json!("nothing"))
    );
    assert!(disk.trail().contains("predecessor_ended"));
    until("the reserve is back", Duration::from_secs(30), || {
        reserve
            .metadata()
            .is_ok_and(|found| found.len() >= 512 * 1024)
    });
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    agent.end();
    disk.assert_intact();
    let said = command(&disk, "history", &["--limit", "5000"]);
    assert_eq!(said.matches("stop ").count(), recorded + 2, "{said}");
}

fn an_agent_that_cannot_open_its_trail_for_want_of_room_serves_stops_and_goes_on_by_itself(
    mut world: World,
) {
    let disk = Disk::under(&mut world);
    let (mut filler, agent) = Filler::prepare(&mut world, &disk);
    filler.deploy(&world, &disk, &agent);
    let old = world.identity();
    let mut agent = agent;
    agent.signal("KILL");
    agent.wait();
    // Half a line that cannot be kept aside, and nothing that is set aside either.
    let whole = disk.trail();
    fs::remove_file(disk.state().join("reserve")).expect("removed");
    let newest = disk.state().join("audit.jsonl");
    fs::write(&newest, format!("{whole}{{\"v\":1,\"half a li")).expect("it has these blocks");
    until("the disk is full", Duration::from_secs(30), || {
        disk.is_full()
    });
    let agent = world.agent();
    assert_serves(&world, &disk, &agent, &old);
    assert_stopped_without_a_record(&world, &agent, "No space left");
    filler.free();
    until("the stop is recorded", Duration::from_secs(30), || {
        disk.trail().starts_with(&whole) && stops(&disk).len() == 1
    });
    until("a deploy is taken", Duration::from_secs(30), || {
        agent.deploy(&world.image("2.0.0")).status == 200
    });
    assert_eq!(disk.trail().matches("torn_line_kept_aside").count(), 1);
    assert!(!command(&disk, "status", &[]).contains("cannot be written"));
    agent.end();
    disk.assert_intact();
}

fn an_operation_that_a_kill_left_is_closed_on_a_full_disk(mut world: World) {
    let disk = Disk::under(&mut world);
    world.set("STOP_GRACE_SECONDS", "20");
    let (mut filler, agent) = Filler::prepare(&mut world, &disk);
    world.push("3.0.0", &["ignore-term"]);
    assert_eq!(agent.deploy(&world.image("3.0.0")).status, 200);
    let mut agent = agent;
    std::thread::scope(|scope| {
        let port = agent.port;
        scope.spawn(move || {
            let bytes = crate::harness::request_bytes(
                "POST",
                "/v1/stop",
                &crate::harness::contract_headers(),
                "",
            );
            // It ends without an answer.
            crate::harness::exchange_raw(port, &bytes);
        });
        until("the stop has begun", Duration::from_secs(30), || {
            disk.trail().contains(r#""step":"stop""#)
        });
        let path = filler.bind.join("filler");
        let ended = Arc::clone(&filler.ended);
        filler.by_hand = Some(std::thread::spawn(move || fill(&path, &ended)));
        until("the disk is full", Duration::from_secs(30), || {
            disk.is_full()
        });
        agent.signal("KILL");
        agent.wait();
    });
    let agent = world.agent();
    until("it is closed", Duration::from_secs(30), || {
        disk.trail().contains("operation_interrupted")
    });
    agent.status();
    filler.free();
    agent.end();
    disk.assert_intact();
}

fn an_engine_whose_own_disk_is_the_full_one_stops_as_well(mut world: World) {
    let disk = SmallDisk::new("128m");
    let root = disk.mounted().join("engine");
    fs::create_dir(&root).expect("made");
    match &world.fake {
        Some(fake) => fake.root_directory(&root),
        None => world.own_engine_with(&[format!("--data-root={}", root.display())]),
    }
    let bind = disk.mounted().join("audit-events");
    fs::create_dir(&bind).expect("made");
    world.set("AUDIT_EVENTS_PATH", &bind.display().to_string());
    let state = disk.state.path().display().to_string();
    world.set("STATE_DIRECTORY", &state);
    world.set("RUNTIME_NETWORK", "none");
    world.set("START_CONFIRMATION_SECONDS", "0");
    world.push("1.0.0", &["fill", "/var/lib/dreichor/audit-events/filler"]);
    world.push("2.0.0", &["run"]);
    let agent = world.agent();
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    disk.fill();
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(answer.status, 500, "{}", answer.body);
    assert_eq!(agent.status()["image"], json!(world.image("1.0.0")));
    for _ in 0..2 {
        assert_stopped(&world, &agent);
    }
    disk.free();
    fs::remove_file(bind.join("filler")).ok();
    until("a deploy is taken", Duration::from_secs(10), || {
        agent.deploy(&world.image("2.0.0")).status == 200
    });
    agent.end();
    disk.state.assert_intact();
}

#[test]
fn the_service_manager_is_told_of_a_full_disk_until_there_is_room() {
    let mut world = World::new(Kind::Fake);
    let disk = Disk::under(&mut world);
    drop(world.agent());
    fs::remove_file(disk.state().join("reserve")).expect("removed");
    let filler = disk.at.join("filler");
    let ended = Arc::new(AtomicBool::new(false));
    let (to, until_then) = (filler.clone(), Arc::clone(&ended));
    let filling = std::thread::spawn(move || fill(&to, &until_then));
    until("the disk is full", Duration::from_secs(20), || {
        disk.is_full()
    });
    let (agent, socket) = reporting(&world, &[]);
    let full = "the audit trail cannot be written, deploys are refused: ";
    told(&socket, |line| line.contains(full));
    ended.store(true, Ordering::SeqCst);
    filling.join().expect("it ends");
    fs::remove_file(filler).expect("removed");
    told(&socket, |line| !line.contains(full));
    agent.end();
    disk.assert_intact();
}
