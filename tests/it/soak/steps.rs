//! One step of a soak: an operation with or without a fault, a mishap from outside, a client that leaves, a burst.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use dreichor_test_support::fake_engine::{Controls, ErrorBody, Fault, Kind, Verb, WhileAway};
use serde_json::json;

use super::TAGS;
use super::dice::Dice;
use crate::faults::{Asked, broken, identity};
use crate::harness::{self, Agent, Answer, World, contract_headers, request_bytes};

/// The engine's calls that a fault may strike.
const STRUCK: [Verb; 8] = [
    Verb::Version,
    Verb::ImagePull,
    Verb::ImageInspect,
    Verb::ContainerInspect,
    Verb::ContainerStop,
    Verb::ContainerRemove,
    Verb::ContainerCreate,
    Verb::ContainerStart,
];
/// How many of a hundred operations meet a fault.
const FAULTY: usize = 35;

#[derive(Debug, Clone)]
pub enum Step {
    /// An operation, with a fault of the engine or without.
    Operation(Wanted, Option<Fault>),
    /// Requests that are refused before they are operations.
    Refused,
    /// The container's process ends by itself with this code.
    Ends(i64),
    /// Somebody else acts on the container: `pause`, `restart?t=0`, `kill`, or removes it.
    Outside(&'static str),
    /// A client that does not wait for its answer.
    Leaves,
    /// So many at once.
    Burst(usize),
    /// The engine dies and comes back while nothing runs; the fake one only.
    EngineRestart(WhileAway),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    Deploy(String),
    /// Of an image that crashes.
    Crash,
    /// Of a tag that the registry does not have.
    Missing,
    Stop,
}

impl Step {
    pub fn thrown(dice: &mut Dice, kind: harness::Kind) -> Self {
        match dice.below(100) {
            0..70 => {
                let wanted = Wanted::thrown(dice);
                let fault = dice.percent(FAULTY).then(|| fault(dice));
                Self::Operation(wanted, fault)
            }
            70..74 => Self::Refused,
            74..79 => Self::Ends(dice.of(&[0, 1, 137])),
            79..88 => Self::Outside(dice.of(&["pause", "restart?t=0", "kill", "rm"])),
            88..92 => Self::Leaves,
            92..97 => Self::Burst(2 + dice.below(3)),
            _ if kind == harness::Kind::Real => Self::Burst(2),
            _ => Self::EngineRestart(dice.of(&[WhileAway::Kept, WhileAway::Killed])),
        }
    }

    /// Takes the step and gives what does not hold.
    pub fn take(
        &self,
        world: &World,
        agent: &Agent,
        controls: &Controls,
        dice: &mut Dice,
    ) -> Result<(), String> {
        match self {
            Self::Operation(wanted, fault) => operate(world, agent, controls, wanted, fault),
            Self::Refused => refused(world, agent),
            Self::Ends(code) => {
                ends(world, *code);
                Ok(())
            }
            Self::Outside(act) => {
                outside(world, act);
                Ok(())
            }
            Self::Leaves => leaves(world, agent, dice),
            Self::Burst(size) => burst(world, agent, dice, *size),
            Self::EngineRestart(containers) => {
                let fake = world.fake.as_ref().expect("a step of the fake engine");
                fake.restart(*containers);
                // The agent subscribes again within a second; until then no status is asked.
                std::thread::sleep(Duration::from_millis(1200));
                Ok(())
            }
        }
    }
}

impl Wanted {
    fn thrown(dice: &mut Dice) -> Self {
        match dice.below(100) {
            0..60 => Self::Deploy(format!("1.1.{}", dice.below(TAGS))),
            60..70 => Self::Crash,
            70..76 => Self::Missing,
            _ => Self::Stop,
        }
    }

    fn tag(&self) -> Option<&str> {
        match self {
            Self::Deploy(tag) => Some(tag),
            Self::Crash => Some("0.0.2"),
            Self::Missing => Some("9.9.9"),
            Self::Stop => None,
        }
    }

    fn request(&self, world: &World) -> (&'static str, String) {
        let body = |tag| json!({ "image": world.image(tag) }).to_string();
        self.tag()
            .map_or(("/v1/stop", String::new()), |tag| ("/v1/deploy", body(tag)))
    }

    fn perform(&self, world: &World, agent: &Agent) -> Answer {
        let (route, body) = self.request(world);
        agent.post(route, &body)
    }

    fn asked(&self) -> Asked<'_> {
        match (self, self.tag()) {
            // Without a window to watch it in, it may crash after the answer.
            (Self::Crash, Some(tag)) => Asked::DeployThatMayEnd(tag),
            (_, Some(tag)) => Asked::Deploy(tag),
            (_, None) => Asked::Stop,
        }
    }
}

fn fault(dice: &mut Dice) -> Fault {
    let said = || ErrorBody::Json("made up by the test".to_owned());
    let kinds = [
        Kind::Cut,
        Kind::CutMidBody,
        Kind::Garbage,
        Kind::Status(404, said()),
        Kind::Status(409, said()),
        Kind::Status(500, said()),
        Kind::Status(503, ErrorBody::Plain("made up by the test".to_owned())),
        Kind::MissingFields,
        Kind::UnknownStatus,
        Kind::SplitCrlf,
        Kind::Drip(Duration::from_millis(1)),
        Kind::ThenRefuse,
    ];
    let (verb, kind) = (dice.of(&STRUCK), dice.of(&kinds));
    let fault = if dice.percent(50) {
        Fault::before(verb, kind)
    } else {
        Fault::after(verb, kind)
    };
    fault.nth(1 + dice.below(2))
}

fn operate(
    world: &World,
    agent: &Agent,
    controls: &Controls,
    wanted: &Wanted,
    fault: &Option<Fault>,
) -> Result<(), String> {
    let old = identity(world.container().as_ref());
    // A container that crashes is in another state each time one looks.
    let still = world
        .container()
        .is_none_or(|shown| shown["State"]["Restarting"] != true && shown["RestartCount"] == 0);
    if let Some(fault) = fault {
        controls.inject(fault.clone());
    }
    let answer = wanted.perform(world, agent);
    controls.clear_faults();
    if *wanted == Wanted::Missing && answer.status == 200 {
        return Err(format!("no such tag: {}", answer.body));
    }
    if fault.is_none() && matches!(wanted, Wanted::Deploy(_) | Wanted::Stop) && answer.status != 200
    {
        return Err(format!(
            "without a fault: {} {}",
            answer.status, answer.body
        ));
    }
    broken(world, wanted.asked(), &answer, still.then_some(&old))
}

fn refused(world: &World, agent: &Agent) -> Result<(), String> {
    let old = identity(world.container().as_ref());
    let answers = [
        (agent.deploy("docker.io/library/alpine:3"), 422),
        (agent.post("/v1/deploy", "{"), 400),
        (agent.post("/v1/nothing", ""), 404),
        (agent.request("POST", "/v1/stop", &[], ""), 401),
    ];
    for (answer, code) in answers {
        answer.reason();
        if answer.status != code {
            return Err(format!("{code} was due: {} {}", answer.status, answer.body));
        }
    }
    let shown = world.container();
    let crashes = shown
        .as_ref()
        .is_some_and(|shown| shown["RestartCount"] != 0);
    if identity(shown.as_ref()) == old || crashes {
        return Ok(());
    }
    Err("a request that was refused has changed something".to_owned())
}

fn ends(world: &World, code: i64) {
    match &world.fake {
        Some(fake) => drop(fake.kill_container(&world.name, code, false)),
        None => outside(world, "kill"),
    }
}

/// What a person on the host may do; some of it is refused in some states, which is as good.
fn outside(world: &World, act: &str) {
    let Some(shown) = world.container() else {
        return;
    };
    let id = shown["Id"].as_str().expect("an id");
    if act == "rm" {
        world.remove(id);
    } else {
        world.engine("POST", &format!("/containers/{id}/{act}"), None);
    }
}

/// The operation goes on, or never starts; the next one waits for it and finds a state that it converges from.
fn leaves(world: &World, agent: &Agent, dice: &mut Dice) -> Result<(), String> {
    let (route, body) = Wanted::thrown(dice).request(world);
    let bytes = request_bytes("POST", route, &contract_headers(), &body);
    let mut stream = TcpStream::connect(("127.0.0.1", agent.port)).map_err(|e| e.to_string())?;
    stream.write_all(&bytes).map_err(|e| e.to_string())?;
    std::thread::sleep(Duration::from_millis(dice.below(40) as u64));
    drop(stream);
    // It may even be read behind the stop that was sent after it: then the next one is behind it.
    let mut held = Ok(());
    for _ in 0..5 {
        let answer = agent.stop();
        if answer.status != 200 {
            return Err(format!("the stop behind it: {}", answer.body));
        }
        held = broken(world, Asked::Stop, &answer, None);
        if held.is_ok() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    held
}

fn burst(world: &World, agent: &Agent, dice: &mut Dice, size: usize) -> Result<(), String> {
    let wanted: Vec<Wanted> = (0..size)
        .map(|_| match Wanted::thrown(dice) {
            Wanted::Crash => Wanted::Stop,
            other => other,
        })
        .collect();
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let asked: Vec<_> = wanted
            .iter()
            .map(|wanted| scope.spawn(|| wanted.perform(world, agent)))
            .collect();
        let answers = asked.into_iter();
        answers
            .map(|asked| asked.join().expect("answered"))
            .collect()
    });
    for (wanted, answer) in wanted.iter().zip(&answers) {
        let due = if *wanted == Wanted::Missing { 502 } else { 200 };
        if answer.status != due {
            return Err(format!("{wanted:?}: {} {}", answer.status, answer.body));
        }
    }
    if world.count() > 1 {
        return Err("more than one container".to_owned());
    }
    Ok(())
}
