//! What a long history costs: the trail is written by the real code, rotation included.

use std::fs;
use std::time::Instant;

use deploy_agent::audit::{
    Event, Outcome, ROTATE_AT, StepEnded, StepStarted, TagRan, Trail, TrailOptions,
};

use crate::Effort;
use crate::figures::{Report, Sample};
use crate::host::Host;
use crate::process;

/// Fewer than may wait to be written.
const GROUP: usize = 512;
/// Every so many records a tag runs for the first time: a year of thirty deploys a day.
const TAG_EVERY: usize = 100;
const STARTS: usize = 3;

pub fn measure(host: &Host, effort: Effort, report: &mut Report) {
    let begun = Instant::now();
    let system = actix_web::rt::System::new();
    system.block_on(write(host, effort.records));
    let each = begun.elapsed().as_secs_f64() * 1e6 / effort.records as f64;
    let name = format!("writing {} records", effort.records);
    report.figure(
        &name,
        &format!("{each:.1} us a record, made durable in groups"),
    );
    let sizes = sizes(host);
    report.figure(
        "files of the trail",
        &format!(
            "{} of at most {:.1} MiB",
            sizes.len(),
            sizes.iter().fold(0.0, |a: f64, b| a.max(*b))
        ),
    );
    // What is still on its way to the disk would be waited for by the first start.
    rustix::fs::sync();
    let (mut long, mut fresh) = (Sample::default(), Sample::default());
    let mut resident = (0.0, 0.0);
    for turn in 0..STARTS {
        let agent = host.agent("long");
        long.push_ms(agent.ready_after);
        resident.0 = process::resident(agent.pid());
        drop(agent);
        let agent = host.agent(&format!("fresh-{turn}"));
        fresh.push_ms(agent.ready_after);
        resident.1 = process::resident(agent.pid());
    }
    let details = format!(
        "{}, with a fresh trail {}",
        long.shown("ms"),
        fresh.shown("ms")
    );
    report.figure("start with that trail", &details);
    let details = format!("{:.2}, with a fresh trail {:.2}", resident.0, resident.1);
    report.figure("resident MiB with that trail", &details);
}

async fn write(host: &Host, records: usize) {
    let options = TrailOptions {
        state_directory: host.directory.join("long"),
        environment: "dev".to_owned(),
        agent_version: deploy_agent::VERSION.to_owned(),
        rotate_at: ROTATE_AT,
    };
    let (trail, _) = Trail::open(options).expect("a new trail");
    let mut written = 0;
    while written < records {
        let many = GROUP.min(records - written);
        let group: Vec<_> = (written..written + many)
            .map(|number| trail.append(event(host, number)))
            .collect();
        for record in group {
            record.await.expect("it is durable");
        }
        written += many;
    }
    trail.close().await;
}

/// Steps mostly, as in a real trail.
fn event(host: &Host, number: usize) -> Event {
    let operation = format!("01890a5d-ac96-774b-bcce-{:012x}", number / TAG_EVERY);
    let step = "pull";
    match number % TAG_EVERY {
        0 => Event::TagRan(TagRan {
            operation,
            reference: format!("{}:{}.0.0", host.repository, number / TAG_EVERY),
            digest: Some(format!("sha256:{number:064x}")),
            image_id: format!("sha256:{number:064x}"),
        }),
        odd if odd % 2 == 1 => Event::StepStarted(StepStarted {
            operation,
            step,
            image: None,
        }),
        _ => Event::StepEnded(StepEnded {
            operation,
            step,
            outcome: Outcome::Succeeded,
            duration_ms: 42,
            detail: None,
        }),
    }
}

/// MiB of each file.
fn sizes(host: &Host) -> Vec<f64> {
    let files = fs::read_dir(host.directory.join("long")).expect("it was written");
    files
        .flatten()
        .filter(|file| file.path().extension().is_some_and(|kind| kind == "jsonl"))
        .filter_map(|file| file.metadata().ok())
        .map(|meta| meta.len() as f64 / 1024.0 / 1024.0)
        .collect()
}
