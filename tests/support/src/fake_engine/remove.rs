//! `DELETE /containers/{id}`, which takes as long as a test wants it to.

use std::sync::Arc;

use super::acts::Acted;
use super::container::Container;
use super::host::{Host, World};
use super::message::Answer;

impl Host {
    /// `DELETE /containers/{id}`
    pub async fn remove(self: &Arc<Self>, key: &str, volumes: bool, force: bool) -> Acted {
        let id = {
            let world = self.world();
            let c = world.find(key)?;
            refuse_removal(c, key, force)?;
            c.id.clone()
        };
        if force {
            self.kill_for_removal(&id).await;
        }
        let slow = self.change(|world| {
            let c = world.find(&id)?;
            refuse_removal(c, key, false)?;
            mark_removing(world, &id, true);
            Ok::<_, Answer>(world.slow_removal)
        })?;
        tokio::time::sleep(slow).await;
        self.change(|world| self.finish_removal(world, &id, volumes))
    }

    async fn kill_for_removal(self: &Arc<Self>, id: &str) {
        let running = self.world().get(id).is_some_and(|c| c.state.running);
        if running {
            // It may have ended on its own meanwhile, which serves as well.
            self.kill(id, 9).await.ok();
        }
    }

    fn finish_removal(&self, world: &mut World, id: &str, volumes: bool) -> Acted {
        let failing = world.get(id).map(|c| c.name.clone());
        if failing.is_some_and(|name| world.failing_removals.remove(&name)) {
            mark_removing(world, id, false);
            if let Some(c) = world.get(id) {
                c.state.dead = true;
            }
            let text = format!(
                "container {id}: driver \"overlay2\" failed to remove root filesystem: \
                 unlinkat /var/lib/docker/overlay2/merged: device or resource busy"
            );
            return Err(Answer::error(500, text));
        }
        let Some(gone) = world.containers.remove(id) else {
            return Err(Answer::error(404, format!("No such container: {id}")));
        };
        if volumes {
            for volume in &gone.anonymous_volumes {
                world.volumes.remove(volume);
            }
        }
        self.events.tell(&gone, "destroy", &[]);
        Ok(Answer::empty(204))
    }
}

fn mark_removing(world: &mut World, id: &str, removing: bool) {
    if let Some(c) = world.get(id) {
        c.state.removing = removing;
    }
}

fn refuse_removal(c: &Container, key: &str, force: bool) -> Result<(), Answer> {
    if c.state.removing {
        let text = format!("removal of container {key} is already in progress");
        return Err(Answer::error(409, text));
    }
    if force || !c.state.running {
        return Ok(());
    }
    let advice = match c.state.status() {
        "paused" => "Unpause and then stop the container before",
        _ => "Stop the container before",
    };
    let (status, id) = (c.state.status(), &c.id);
    let text = format!(
        "You cannot remove a {status} container {id}. {advice} attempting removal or force remove"
    );
    Err(Answer::error(409, text))
}
