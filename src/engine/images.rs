//! Images of our repository on this host: listed and removed by name, never by force.

use std::collections::{HashMap, HashSet};

use bollard::query_parameters::{ListContainersOptions, ListImagesOptions, RemoveImageOptions};

use super::container::ImageId;
use super::error::EngineError;
use super::{Engine, REMOVE_DEADLINE, ask, call};
use crate::domain::Repository;

/// One tag of an image that the engine holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredImage {
    /// `repository:tag`, the repository as the settings spell it.
    pub reference: String,
    /// The engine's id of it.
    pub id: ImageId,
    /// Bytes on the disk, layers that other images share included.
    pub size: u64,
}

impl Engine {
    /// Every tag of `repository` that the engine holds.
    ///
    /// # Errors
    /// As for every question to the engine.
    pub async fn stored_images(
        &self,
        repository: &Repository,
    ) -> Result<Vec<StoredImage>, EngineError> {
        let filters = HashMap::from([("reference", vec![repository.familiar()])]);
        let options = ListImagesOptions {
            filters: Some(owned(&filters)),
            ..ListImagesOptions::default()
        };
        let images = ask(self.client()?.list_images(Some(options))).await?;
        // The filter of the engine is a pattern; only the exact repository is ours.
        let prefix = format!("{}:", repository.familiar());
        let mut stored = Vec::new();
        for image in images {
            let tags = image.repo_tags.iter();
            let tags = tags.filter_map(|name| name.strip_prefix(&prefix));
            stored.extend(tags.map(|tag| StoredImage {
                reference: format!("{}:{tag}", repository.as_str()),
                id: ImageId(image.id.clone()),
                size: u64::try_from(image.size).unwrap_or(0),
            }));
        }
        Ok(stored)
    }

    /// Ids of the images that some container of this host was made of, running or not.
    ///
    /// # Errors
    /// As for every question to the engine.
    pub async fn images_in_use(&self) -> Result<HashSet<String>, EngineError> {
        let options = ListContainersOptions {
            all: true,
            ..ListContainersOptions::default()
        };
        let containers = ask(self.client()?.list_containers(Some(options))).await?;
        Ok(containers
            .into_iter()
            .filter_map(|container| container.image_id)
            .collect())
    }

    /// Removes one tag, and the image with it when that was its last name. Never by force.
    ///
    /// # Errors
    /// The engine refused, for instance because a container uses the image after all.
    pub async fn remove_image(&self, image: &StoredImage) -> Result<(), EngineError> {
        let options = RemoveImageOptions {
            force: false,
            noprune: false,
            ..RemoveImageOptions::default()
        };
        let removed = self
            .client()?
            .remove_image(&image.reference, Some(options), None);
        call(REMOVE_DEADLINE, removed).await.map(drop)
    }
}

fn owned(filters: &HashMap<&str, Vec<&str>>) -> HashMap<String, Vec<String>> {
    let entries = filters.iter();
    entries
        .map(|(key, values)| {
            (
                (*key).to_owned(),
                values.iter().map(|value| (*value).to_owned()).collect(),
            )
        })
        .collect()
}
