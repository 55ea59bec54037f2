//! Who holds the name beforehand, and who only looks like it.

use serde_json::json;

use crate::harness::World;

with_both_runtimes!(
    a_created_container_gives_way,
    a_paused_container_gives_way,
    a_restarting_container_gives_way,
    an_exited_container_gives_way,
    a_running_container_of_the_old_agent_gives_way,
    a_stop_takes_away_what_is_not_running,
    names_that_contain_ours_are_nobody_of_ours,
);

/// Deploys over whatever holds the name, and checks that only the new one is left.
fn deploys_over(world: &World, old: &str) {
    world.push_runtime("2.0.0");
    let agent = world.agent();
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_ne!(world.id(), old);
    assert_eq!(world.count(), 1);
    assert_eq!(world.shown()["State"]["Running"], true);
    assert_eq!(agent.status()["running"], true);
}

fn a_created_container_gives_way(world: World) {
    world.push_runtime("1.0.0");
    let old = world.foreign_container("1.0.0", "no");
    deploys_over(&world, &old);
}

fn a_paused_container_gives_way(world: World) {
    world.push_runtime("1.0.0");
    let old = world.foreign_container("1.0.0", "no");
    world.act(&old, "start");
    world.act(&old, "pause");
    deploys_over(&world, &old);
}

fn a_restarting_container_gives_way(world: World) {
    world.push("1.0.0", &["crash"]);
    let old = world.foreign_container("1.0.0", "always");
    world.act(&old, "start");
    crate::harness::until("in backoff", std::time::Duration::from_secs(20), || {
        world.shown()["State"]["Restarting"] == true
    });
    deploys_over(&world, &old);
}

fn an_exited_container_gives_way(world: World) {
    world.push("1.0.0", &["exit-0"]);
    let old = world.foreign_container("1.0.0", "no");
    world.act(&old, "start");
    crate::harness::until("exited", std::time::Duration::from_secs(10), || {
        world.shown()["State"]["Status"] == "exited"
    });
    deploys_over(&world, &old);
}

fn a_running_container_of_the_old_agent_gives_way(world: World) {
    world.push_runtime("1.0.0");
    let old = world.foreign_container("1.0.0", "unless-stopped");
    world.act(&old, "start");
    deploys_over(&world, &old);
    let ended = world.events("predecessor_ended").pop().expect("an end");
    assert_eq!(ended["container_id"], old);
    assert_eq!(
        (&ended["exit_code"], &ended["oom_killed"]),
        (&json!(0), &json!(false))
    );
}

fn a_stop_takes_away_what_is_not_running(world: World) {
    world.push_runtime("1.0.0");
    world.foreign_container("1.0.0", "no");
    let agent = world.agent();
    assert_eq!(agent.status()["running"], false);
    assert_eq!(agent.stop().status, 200);
    assert!(world.container().is_none());
}

fn names_that_contain_ours_are_nobody_of_ours(world: World) {
    world.push("1.0.0", &["run"]);
    world.push_runtime("2.0.0");
    world.pull("1.0.0");
    let body = json!({ "Image": world.image("1.0.0"), "HostConfig": { "NetworkMode": "none" } });
    let strangers = [format!("x{}", world.name), format!("{}-2", world.name)].map(|name| {
        let made = world.engine(
            "POST",
            &format!("/containers/create?name={name}"),
            Some(&body),
        );
        let id = made.json()["Id"].as_str().expect("an id").to_owned();
        world.act(&id, "start");
        id
    });
    let agent = world.agent();
    assert_eq!(agent.status()["running"], false);
    assert_eq!(agent.deploy(&world.image("2.0.0")).status, 200);
    assert_eq!(agent.stop().status, 200);
    for id in strangers {
        let shown = world
            .engine("GET", &format!("/containers/{id}/json"), None)
            .json();
        assert_eq!(shown["State"]["Running"], true);
        world.remove(&id);
    }
}

/// Neither can be made on a real engine on purpose: a removal that failed half-way, and an id that begins with our
/// name. The fake makes both.
mod on_the_fake_alone {
    use dreichor_test_support::fake_engine::{Life, NewContainer};

    use crate::harness::{Kind, World};

    #[test]
    fn a_dead_container_gives_way() {
        let world = World::new(Kind::Fake);
        world.push("1.0.0", &["run"]);
        let old = world.foreign_container("1.0.0", "no");
        let fake = world.fake.as_ref().expect("the fake engine");
        fake.fail_removal_of(&world.name);
        world.remove(&old);
        assert_eq!(world.shown()["State"]["Status"], "dead");
        super::deploys_over(&world, &old);
    }

    #[test]
    fn a_container_whose_id_begins_with_our_name_is_nobody_of_ours() {
        let world = World::new(Kind::Fake);
        world.push("1.0.0", &["run"]);
        let fake = world.fake.as_ref().expect("the fake engine");
        let stranger = NewContainer::named("stranger").life(Life::Running);
        fake.add_container(stranger.id_prefix(&world.name));
        let path = format!("/containers/{}/json", world.name);
        assert_eq!(world.engine("GET", &path, None).json()["Name"], "/stranger");

        let agent = world.agent();
        assert_eq!(agent.status()["running"], false);
        assert_eq!(agent.stop().status, 200);
        assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
        assert_eq!(agent.stop().status, 200);
        let stranger = world.engine("GET", "/containers/stranger/json", None);
        assert_eq!(stranger.json()["State"]["Running"], true);
    }
}
