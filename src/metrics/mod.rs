//! What a monitor reads: a text file for the textfile collector of Prometheus's node exporter.
//!
//! The file is rewritten whole every few seconds, so that its age says whether the agent lives. It is made of the
//! [`Overview`](crate::overview::Overview) and of what the engine's disk holds; nothing waits for it, and one that cannot
//! be written fails nothing.
//! `text` is what it says, `lines` how that is written, `file` how it gets there.

mod file;
mod lines;
mod text;

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::agent::Agent;
use text::{Images, Sample};

pub use file::MetricsFile;

/// How often it is written at least: monitors mostly ask every 15 to 60 seconds.
const INTERVAL: Duration = Duration::from_secs(5);
/// How often at most, whatever happens.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
/// How often the engine is asked for the images it keeps, which costs it more than an inspect.
const IMAGES_INTERVAL: Duration = Duration::from_secs(60);

/// Writes the metrics of `agent` until it is dropped: now and then, and soon after an operation. The free space is that of
/// the disk with `state_directory`.
pub async fn publish(agent: Agent, file: MetricsFile, state_directory: PathBuf) {
    let mut activity = agent.activity();
    let mut writes = true;
    let (mut images, mut asked) = (None, None::<Instant>);
    loop {
        if asked.is_none_or(|asked| asked.elapsed() >= IMAGES_INTERVAL) {
            images = kept(&agent).await;
            asked = Some(Instant::now());
        }
        let sample = Sample {
            overview: agent.overview(),
            counts: agent.counts(),
            images,
            free: free_bytes(&state_directory),
        };
        let (text, to) = (sample.to_text(), file.clone());
        let written = tokio::task::spawn_blocking(move || to.write(text.as_bytes())).await;
        // A task that panicked has said so itself.
        if let Ok(written) = written {
            tell(&written, &mut writes);
        }
        tokio::time::sleep(SHORTEST_INTERVAL).await;
        tokio::select! {
            // Its writer lives as long as the agent.
            _ = activity.changed() => {}
            () = tokio::time::sleep(INTERVAL - SHORTEST_INTERVAL) => {}
        }
    }
}

/// Says what changed, once.
fn tell(written: &io::Result<()>, writes: &mut bool) {
    match written {
        Ok(()) if !*writes => log::info!("METRICS_FILE can be written again"),
        Err(error) if *writes => log::warn!("METRICS_FILE {error}"),
        Ok(()) | Err(_) => {}
    }
    *writes = written.is_ok();
}

/// The images of our repository; none while the engine does not answer.
async fn kept(agent: &Agent) -> Option<Images> {
    let stored = agent.engine().stored_images(agent.repository()).await;
    let mut stored = stored.ok()?;
    // An image with several names is one.
    stored.sort_by(|one, other| one.id.as_str().cmp(other.id.as_str()));
    stored.dedup_by(|one, other| one.id == other.id);
    Some(Images {
        count: stored.len(),
        bytes: stored.iter().map(|image| image.size).sum(),
    })
}

fn free_bytes(directory: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(directory).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}
