//! Images of our repository on this host: listed and removed by name, never by force.

use std::collections::HashSet;

use bollard::models::ImageSummary;
use bollard::query_parameters::{ListContainersOptions, ListImagesOptions, RemoveImageOptions};

use super::container::{ImageId, not_understood};
use super::error::{Effect, EngineError};
use super::{Engine, IMAGE_REMOVAL_DEADLINE, ask, call};
use crate::domain::Repository;

/// How engines before API 1.43 write that an image has no tag.
const NO_TAG: &str = "<none>:<none>";

/// How often a list is asked for that a removal of somebody else's gets into.
const LISTS: usize = 5;

/// One name of an image that the engine holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredImage {
    /// `repository:tag`, or `repository@digest` of one that lost its tag, the repository as the settings spell it.
    pub reference: String,
    /// Whether the name is a tag.
    pub tagged: bool,
    /// The engine's id of it.
    pub id: ImageId,
    /// Under which digests our repository has it, as far as the engine knows.
    pub digests: Vec<String>,
    /// Bytes on the disk, layers that other images share included.
    pub size: u64,
}

/// What became of an image that was to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// Its name is gone now.
    Now,
    /// It was gone already.
    Before,
}

impl Engine {
    /// Every tag of `repository` that the engine holds, and what has a digest of it and no tag at all.
    ///
    /// # Errors
    /// As for every question to the engine.
    pub async fn stored_images(
        &self,
        repository: &Repository,
    ) -> Result<Vec<StoredImage>, EngineError> {
        Ok(self
            .all_images()
            .await?
            .into_iter()
            .flat_map(|image| names(image, repository))
            .collect())
    }

    /// Asked again while somebody's removal of an image gets in between: a question changes nothing.
    async fn all_images(&self) -> Result<Vec<ImageSummary>, EngineError> {
        // Not by a filter: the engine's are patterns, and what has no tag is not found by any.
        let list = || async { ask(self.client()?.list_images(None::<ListImagesOptions>)).await };
        for _ in 1..LISTS {
            match list().await {
                Err(error) if error.says_removed_meanwhile() => {}
                answer => return answer,
            }
        }
        list().await
    }

    /// Ids of the images that some container of this host was made of, running or not.
    ///
    /// # Errors
    /// As for every question to the engine; a container that does not say its image is no answer.
    pub async fn images_in_use(&self) -> Result<HashSet<String>, EngineError> {
        let options = ListContainersOptions {
            all: true,
            ..ListContainersOptions::default()
        };
        let containers = ask(self.client()?.list_containers(Some(options))).await?;
        let ids = containers.into_iter().map(|container| container.image_id);
        ids.collect::<Option<_>>().ok_or_else(not_understood)
    }

    /// Removes one name, and the image with it when that was its last. Never by force: what a container uses stays.
    ///
    /// # Errors
    /// The engine refused, or its answer was lost and the name is there still, or cannot be asked for.
    pub async fn remove_image(&self, image: &StoredImage) -> Result<Removed, EngineError> {
        let options = RemoveImageOptions {
            force: false,
            noprune: false,
            ..RemoveImageOptions::default()
        };
        let removed = self
            .client()?
            .remove_image(&image.reference, Some(options), None);
        let error = match call(IMAGE_REMOVAL_DEADLINE, removed).await {
            Ok(_) => return Ok(Removed::Now),
            Err(error) if error.says_no_image() => return Ok(Removed::Before),
            Err(error) => error,
        };
        if error.effect == Effect::None {
            return Err(error);
        }
        // The answer was lost: what is there now decides.
        match ask(self.client()?.inspect_image(&image.reference)).await {
            Err(asked) if asked.says_no_image() => Ok(Removed::Now),
            Ok(_) | Err(_) => Err(error),
        }
    }
}

/// The names that an image has in `repository`.
fn names(image: ImageSummary, repository: &Repository) -> Vec<StoredImage> {
    let of = |names: &[String], mark: char| -> Vec<String> {
        let prefix = format!("{}{mark}", repository.familiar());
        let names = names.iter().filter_map(|name| name.strip_prefix(&prefix));
        names.map(str::to_owned).collect()
    };
    let digests = of(&image.repo_digests, '@');
    let has_tag = image.repo_tags.iter().any(|tag| tag != NO_TAG);
    let (mark, names) = match has_tag {
        true => (':', of(&image.repo_tags, ':')),
        false => ('@', digests.clone()),
    };
    let stored = |name: String| StoredImage {
        reference: format!("{}{mark}{name}", repository.as_str()),
        tagged: has_tag,
        id: ImageId(image.id.clone()),
        digests: digests.clone(),
        size: u64::try_from(image.size).unwrap_or(0),
    };
    names.into_iter().map(stored).collect()
}
