//! The health check of the image: whether an engine survives it, and whether it can tell anything in time.

use std::time::Duration;

use crate::engine::{EngineInfo, ImageConfig};

/// An engine (20.10 was seen to) ends with such a check, and every container of the host is then on its own.
pub(super) fn health_command(config: &ImageConfig) -> Option<String> {
    let check = config.health_check.as_ref()?;
    (!check.has_command).then(|| {
        "the image's HEALTHCHECK is CMD without a command, which some engines crash of".to_owned()
    })
}

/// A verdict that cannot come inside the window is a deploy that cannot succeed.
pub(super) fn health_verdict(
    config: &ImageConfig,
    window: Duration,
    engine: &EngineInfo,
) -> Option<String> {
    let Some(check) = &config.health_check else {
        return Some(
            "START_CONFIRMATION=healthy is set, and the image has no HEALTHCHECK".to_owned(),
        );
    };
    let first = check.first_probe(engine.has_start_interval);
    if first >= window {
        return Some(format!(
            "START_CONFIRMATION=healthy is set, and the image's first health check comes {} s after the start, which is not within START_CONFIRMATION_SECONDS ({})",
            first.as_secs_f32(),
            window.as_secs()
        ));
    }
    (!check.can_end()).then(|| {
        "START_CONFIRMATION=healthy is set, and the timeout of the image's HEALTHCHECK is below a millisecond"
            .to_owned()
    })
}
