//! The images of the simulated host, and the calls about them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::acts::Acted;
use super::host::{Host, World};
use super::message::{Answer, Request};

/// An image as the engine keeps it.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub id: String,
    pub architecture: String,
    pub os: String,
    pub created: String,
    /// The image's own container configuration: Cmd, Env, Healthcheck, …
    pub config: Value,
    pub size: u64,
}

impl Image {
    /// An image from its configuration blob, whose digest is its id.
    pub fn from_blob(blob: &[u8], size: u64) -> Result<Image, serde_json::Error> {
        let parsed: Value = serde_json::from_slice(blob)?;
        let text = |key: &str| parsed[key].as_str().unwrap_or_default().to_owned();
        Ok(Image {
            id: format!("sha256:{}", sha256_hex(blob)),
            architecture: text("architecture"),
            os: text("os"),
            created: text("created"),
            config: parsed["config"].clone(),
            size,
        })
    }
}

/// Images by id, and the names that lead to them.
#[derive(Debug, Default)]
pub(crate) struct ImageStore {
    pub by_id: BTreeMap<String, Image>,
    /// `repository:tag` to image id.
    pub tags: BTreeMap<String, String>,
    /// `repository@digest` to image id.
    pub digests: BTreeMap<String, String>,
    /// Layers that need not be fetched again.
    pub layers: BTreeSet<String>,
}

impl ImageStore {
    pub fn find(&self, reference: &str) -> Option<&Image> {
        self.id_of(reference).and_then(|id| self.by_id.get(&id))
    }

    pub fn id_of(&self, reference: &str) -> Option<String> {
        if let Some((name, digest)) = reference.split_once('@') {
            // A tag beside the digest is for people.
            let name = familiar(repository_of(name));
            return self.digests.get(&format!("{name}@{digest}")).cloned();
        }
        let named = self.tags.get(&with_tag(reference));
        if let Some(id) = named {
            return Some(id.clone());
        }
        let hex = reference.strip_prefix("sha256:").unwrap_or(reference);
        let mut matching = self
            .by_id
            .keys()
            .filter(|id| !hex.is_empty() && id["sha256:".len()..].starts_with(hex));
        match (matching.next(), matching.next()) {
            (Some(only), None) => Some(only.clone()),
            _ => None,
        }
    }

    fn names(of: &BTreeMap<String, String>, id: &str) -> Vec<String> {
        let names = of.iter().filter(|(_, named)| *named == id);
        names.map(|(name, _)| name.clone()).collect()
    }

    /// The image's line in a list, where moments are numbers.
    fn summary(&self, image: &Image) -> Value {
        let created = OffsetDateTime::parse(&image.created, &Rfc3339);
        json!({
            "Id": image.id,
            "RepoTags": Self::names(&self.tags, &image.id),
            "RepoDigests": Self::names(&self.digests, &image.id),
            "ParentId": "",
            "Created": created.map_or(0, OffsetDateTime::unix_timestamp),
            "Labels": image.config["Labels"],
            "Size": image.size,
            "VirtualSize": image.size,
            "SharedSize": -1,
            "Containers": -1,
        })
    }

    fn show(&self, image: &Image) -> Value {
        json!({
            "Id": image.id,
            "RepoTags": Self::names(&self.tags, &image.id),
            "RepoDigests": Self::names(&self.digests, &image.id),
            "Parent": "",
            "Comment": "",
            "Created": image.created,
            "Author": "",
            "Config": image.config,
            "Architecture": image.architecture,
            "Os": image.os,
            "Size": image.size,
            "VirtualSize": image.size,
            "RootFS": { "Type": "layers", "Layers": [] },
        })
    }
}

impl Host {
    /// `GET /images/{ref}/json`
    pub fn inspect_image(&self, reference: &str) -> Acted {
        let world = self.world();
        match world.images.find(reference) {
            Some(image) => Ok(Answer::json(200, &world.images.show(image))),
            None => {
                let text = format!(
                    "no such image: {reference}: No such image: {}",
                    with_tag(reference)
                );
                Err(Answer::error(404, text))
            }
        }
    }

    /// `GET /images/json`
    pub fn list_images(&self, request: &Request) -> Acted {
        let wanted = request.filter("reference");
        let world = self.world();
        let images = &world.images;
        let matches = |image: &&Image| {
            let tags = ImageStore::names(&images.tags, &image.id);
            let named = |pattern: &String| tags.iter().any(|tag| names(pattern, tag));
            wanted.is_empty() || wanted.iter().any(named)
        };
        let shown: Vec<Value> = images
            .by_id
            .values()
            .filter(matches)
            .map(|image| images.summary(image))
            .collect();
        Ok(Answer::json(200, &Value::Array(shown)))
    }

    /// `DELETE /images/{ref}`
    pub fn remove_image(self: &Arc<Self>, reference: &str, force: bool) -> Acted {
        let removed = self.change(|world| remove_image(world, reference, force))?;
        self.events.tell_image(reference, "untag");
        Ok(Answer::json(200, &Value::Array(removed)))
    }
}

fn remove_image(world: &mut World, reference: &str, force: bool) -> Result<Vec<Value>, Answer> {
    let Some(id) = world.images.id_of(reference) else {
        return Err(Answer::error(
            404,
            format!("No such image: {}", with_tag(reference)),
        ));
    };
    let tag = with_tag(reference);
    let by_tag = world.images.tags.contains_key(&tag);
    let tags = ImageStore::names(&world.images.tags, &id);
    let last_name = !by_tag || tags.len() == 1;
    if last_name {
        refuse_while_used(world, reference, &id, by_tag, force)?;
    }
    let mut removed = Vec::new();
    let untagged = tags.into_iter().filter(|name| !by_tag || *name == tag);
    for name in untagged.collect::<Vec<_>>() {
        world.images.tags.remove(&name);
        forget_digests(world, &id, repository_of(&name));
        removed.push(json!({ "Untagged": name }));
    }
    let used = world.containers.values().any(|c| c.image_id == id);
    if last_name && !used {
        for name in ImageStore::names(&world.images.digests, &id) {
            world.images.digests.remove(&name);
            removed.push(json!({ "Untagged": name }));
        }
        world.images.by_id.remove(&id);
        // Layers are shared; forgetting all of them only costs the next pull some time.
        world.images.layers.clear();
        removed.push(json!({ "Deleted": id }));
    }
    Ok(removed)
}

/// With the last tag of a repository an image loses its digests there.
fn forget_digests(world: &mut World, id: &str, repository: &str) {
    let images = &mut world.images;
    let mut tags = images.tags.iter().filter(|(_, named)| *named == id);
    if !tags.any(|(tag, _)| repository_of(tag) == repository) {
        let prefix = format!("{repository}@");
        images
            .digests
            .retain(|name, named| named != id || !name.starts_with(&prefix));
    }
}

fn refuse_while_used(
    world: &World,
    reference: &str,
    id: &str,
    by_tag: bool,
    force: bool,
) -> Result<(), Answer> {
    let mut users = world.containers.values().filter(|c| c.image_id == id);
    let Some(user) = users.next() else {
        return Ok(());
    };
    let (short, user_id) = (&id["sha256:".len()..][..12], &user.id[..12]);
    let text = match (by_tag, force, user.state.running) {
        (_, true, false) | (true, true, _) => return Ok(()),
        (true, false, _) => format!(
            "conflict: unable to remove repository reference \"{reference}\" (must force) - \
             container {user_id} is using its referenced image {short}"
        ),
        (false, _, true) => format!(
            "conflict: unable to delete {short} (cannot be forced) - \
             image is being used by running container {user_id}"
        ),
        (false, false, false) => format!(
            "conflict: unable to delete {short} (must be forced) - \
             image is being used by stopped container {user_id}"
        ),
    };
    Err(Answer::error(409, text))
}

/// The shortest spelling of a name, which is the one that Docker keeps and shows.
pub(crate) fn familiar(name: &str) -> &str {
    let of_hub = name.strip_prefix("index.docker.io/");
    let Some(path) = of_hub.or_else(|| name.strip_prefix("docker.io/")) else {
        return name;
    };
    match path.strip_prefix("library/") {
        Some(official) if !official.contains('/') => official,
        _ => path,
    }
}

/// The reference with the tag that Docker assumes; digests and ids stay as they are.
pub(crate) fn with_tag(reference: &str) -> String {
    let reference = familiar(reference);
    let last = reference.rsplit('/').next().unwrap_or(reference);
    if last.contains(':') || last.contains('@') {
        return reference.to_owned();
    }
    format!("{reference}:latest")
}

/// A name without its tag; the colon of a registry's port is none of a tag.
fn repository_of(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

/// A filter names a tag exactly, or every tag of a repository.
fn names(pattern: &str, tag: &str) -> bool {
    pattern == tag || pattern == repository_of(tag)
}

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    let sum = digest(&SHA256, bytes);
    sum.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}
