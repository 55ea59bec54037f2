//! What the actor is doing now.

use std::fmt;

use tokio::sync::watch;

use crate::engine::PullProgress;

/// What the actor is doing. `Display` is the line that systemd shows: `deploy 1.0.1: pulling 43 %, 120 of 280 MB`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Activity {
    /// `deploy 1.0.1` or `stop`; none when idle.
    pub operation: Option<String>,
    /// The step of it.
    pub step: Option<&'static str>,
    /// Of a pull.
    pub progress: Option<PullProgress>,
}

/// Makes both sides of the activity.
#[must_use]
pub fn activity() -> (watch::Sender<Activity>, watch::Receiver<Activity>) {
    watch::channel(Activity::default())
}

impl fmt::Display for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.operation, self.step, self.progress) {
            (Some(operation), _, Some(progress)) => write!(f, "{operation}: pulling {progress}"),
            (Some(operation), Some(step), None) => write!(f, "{operation}: {step}"),
            (Some(operation), None, None) => f.write_str(operation),
            (None, _, _) => f.write_str("idle"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_line_tells_step_and_progress() {
        let mut activity = Activity {
            operation: Some("deploy 1.0.1".into()),
            step: Some("pull"),
            progress: None,
        };
        assert_eq!(activity.to_string(), "deploy 1.0.1: pull");
        activity.progress = Some(PullProgress {
            current: 120_000_000,
            total: 280_000_000,
            ..PullProgress::default()
        });
        assert_eq!(
            activity.to_string(),
            "deploy 1.0.1: pulling 42 %, 120 of 280 MB"
        );
        assert_eq!(Activity::default().to_string(), "idle");
    }
}
