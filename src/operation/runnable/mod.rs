//! Whether a container of this image could be created, started and confirmed, as far as the image's configuration tells.

mod health;
mod places;
mod process;

use crate::domain::ProcessEnv;
use crate::engine::{EngineInfo, ImageConfig};
use crate::settings::{Confirm, OperationSettings};

use health::{health_command, health_verdict};
use places::{volume, working_directory};
use process::{command, size, user, variables};

/// All that keeps such a container from running; names and never values.
pub(super) fn image_problems(
    config: &ImageConfig,
    process: &ProcessEnv<'_>,
    limits: &OperationSettings,
    engine: &EngineInfo,
) -> Vec<String> {
    let mut problems: Vec<String> = [
        server_owned(process),
        command(config),
        variables(process),
        size(config, process),
        user(&config.user),
        working_directory(&config.working_directory),
        health_command(config),
    ]
    .into_iter()
    .flatten()
    .collect();
    problems.extend(
        config
            .volumes
            .iter()
            .filter_map(|volume| self::volume(volume)),
    );
    if limits.confirm == Confirm::Healthy {
        problems.extend(health_verdict(config, limits.start_confirmation, engine));
    }
    problems
}

fn server_owned(process: &ProcessEnv<'_>) -> Option<String> {
    let owned = process.server_owned_of_image();
    (!owned.is_empty()).then(|| {
        format!(
            "the image sets {}, which runtime.env does not: these variables are the server's alone",
            owned.join(", ")
        )
    })
}
