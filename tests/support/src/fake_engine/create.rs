//! `POST /containers/create`: what the engine checks, and what it makes of the rest.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::acts::Acted;
use super::container::{Container, HealthCheck, RestartPolicy, State, string_list};
use super::host::{Host, World, fresh_id};
use super::images::with_tag;
use super::message::{Answer, Request};
use super::refusals::{behaviour, refuse_places};

/// What a creation asks for.
#[derive(Debug)]
pub(crate) struct Wish {
    pub name: Option<String>,
    pub body: Map<String, Value>,
    /// Only "someone else on the host" may choose: hex digits that the id begins with.
    pub id_prefix: String,
}

impl Wish {
    pub fn of(request: &Request) -> Result<Wish, Answer> {
        let kind = request.head.header("content-type").unwrap_or_default();
        if !kind.starts_with("application/json") {
            let text = format!("Content-Type specified ({kind}) must be 'application/json'");
            return Err(Answer::error(400, text));
        }
        let body: Value = serde_json::from_slice(&request.body)
            .map_err(|error| Answer::error(500, go_words(&error)))?;
        let name = request.param("name").filter(|name| !name.is_empty());
        Ok(Wish {
            name: name.map(|name| name.trim_start_matches('/').to_owned()),
            body: body.as_object().cloned().unwrap_or_default(),
            id_prefix: String::new(),
        })
    }

    fn field(&self, name: &str) -> Value {
        self.body.get(name).cloned().unwrap_or_default()
    }
}

impl Host {
    /// `POST /containers/create`
    pub fn create(self: &Arc<Self>, wish: &Wish) -> Acted {
        let id = self.change(|world| self.create_in(world, wish))?;
        Ok(Answer::json(201, &json!({ "Id": id, "Warnings": [] })))
    }

    fn create_in(&self, world: &mut World, wish: &Wish) -> Result<String, Answer> {
        if !wish
            .body
            .keys()
            .any(|key| key != "HostConfig" && key != "NetworkingConfig")
        {
            let text = "Config cannot be empty in order to create a container";
            return Err(Answer::error(400, text));
        }
        let host_config = host_config(&wish.field("HostConfig"), &world.log_driver);
        let policy = check_host_config(&host_config)?;
        world.host_of_engine.refuse_create(&host_config)?;
        let reference = wish.field("Image").as_str().unwrap_or_default().to_owned();
        let Some(image) = world.images.find(&reference) else {
            return Err(Answer::error(
                404,
                format!("No such image: {}", with_tag(&reference)),
            ));
        };
        let image_id = image.id.clone();
        let id = fresh_id();
        let id = format!("{}{}", wish.id_prefix, &id[wish.id_prefix.len()..]);
        let mut config = merged_config(wish, &image.config);
        let argv = argv(&config)?;
        refuse_places(&config)?;
        let name = free_name(world, wish, &id)?;
        config["Hostname"] = json!(&id[..12]);
        let (mounts, anonymous_volumes) = mounts(&host_config, &config["Volumes"]);
        world.volumes.extend(anonymous_volumes.iter().cloned());
        let container = Container {
            behaviour: behaviour(&argv, &config),
            check: HealthCheck::of(&config),
            created: OffsetDateTime::now_utc(),
            id: id.clone(),
            name,
            image_id,
            argv,
            policy,
            config,
            host_config,
            mounts,
            anonymous_volumes,
            state: State::default(),
            run: 0,
            restart_count: 0,
            backoff: Duration::ZERO,
            manually_stopped: false,
            exit_on_next: false,
        };
        self.events.tell(&container, "create", &[]);
        world.containers.insert(id.clone(), container);
        Ok(id)
    }
}

/// What Go says of such JSON, as far as tests meet it.
fn go_words(error: &serde_json::Error) -> String {
    match error.is_eof() {
        true => "unexpected EOF".to_owned(),
        false => error.to_string(),
    }
}

/// The host configuration as given, with the defaults that clients read back.
fn host_config(given: &Value, log_driver: &str) -> Value {
    let mut config = json!({
        "Binds": null,
        "NetworkMode": "default",
        "RestartPolicy": { "Name": "", "MaximumRetryCount": 0 },
        "AutoRemove": false,
        "LogConfig": { "Type": log_driver, "Config": {} },
    });
    for (key, value) in given.as_object().into_iter().flatten() {
        if key == "RestartPolicy" {
            let fields = value.as_object().into_iter().flatten();
            fields.for_each(|(field, v)| config["RestartPolicy"][field] = v.clone());
        } else if !value.is_null() {
            config[key] = value.clone();
        }
    }
    config
}

fn check_host_config(config: &Value) -> Result<RestartPolicy, Answer> {
    let refuse = |text: String| Err(Answer::error(400, text));
    let policy = &config["RestartPolicy"];
    let name = policy["Name"].as_str().unwrap_or_default().to_owned();
    let most = policy["MaximumRetryCount"].as_u64().unwrap_or(0);
    match name.as_str() {
        "" | "no" | "always" | "unless-stopped" | "on-failure" => {}
        _ => return refuse(format!("invalid restart policy '{name}'")),
    }
    if most > 0 && name != "on-failure" {
        let text = format!("maximum retry count cannot be used with restart policy '{name}'");
        return refuse(text);
    }
    if config["AutoRemove"] == true && !matches!(name.as_str(), "" | "no") {
        return refuse("can't create 'AutoRemove' container with restart policy".to_owned());
    }
    check_log(&config["LogConfig"])?;
    check_limits(config)?;
    check_mounts(config)?;
    Ok(RestartPolicy { name, most })
}

/// The options that each driver takes, as far as tests meet them.
fn check_log(log: &Value) -> Result<(), Answer> {
    let driver = log["Type"].as_str().unwrap_or_default();
    let known: &[&str] = match driver {
        "json-file" | "local" => &["max-size", "max-file", "compress"],
        _ => &["tag"],
    };
    let options = log["Config"].as_object();
    let mut options = options.into_iter().flatten().map(|(option, _)| option);
    match options.find(|option| !known.contains(&option.as_str())) {
        Some(option) => {
            let text = format!("unknown log opt '{option}' for {driver} log driver");
            Err(Answer::error(400, text))
        }
        None => Ok(()),
    }
}

fn check_limits(config: &Value) -> Result<(), Answer> {
    let given = |name: &str| config[name].as_i64().unwrap_or(0);
    if (1..6 * 1024 * 1024).contains(&given("Memory")) {
        let text = "Minimum memory limit allowed is 6MB";
        return Err(Answer::error(400, text));
    }
    if !(0..=2_000_000_000).contains(&given("NanoCpus")) {
        let text = "Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available";
        return Err(Answer::error(400, text));
    }
    Ok(())
}

/// Looked at on creation and again at every start.
pub(crate) fn check_mounts(config: &Value) -> Result<(), Answer> {
    let mounts = config["Mounts"].as_array().into_iter().flatten();
    for mount in mounts.filter(|mount| mount["Type"] == "bind") {
        let source = mount["Source"].as_str().unwrap_or_default();
        let problem = if !source.starts_with('/') {
            format!("invalid mount path: '{source}' mount path must be absolute")
        } else if !Path::new(source).exists() {
            format!("bind source path does not exist: {source}")
        } else {
            continue;
        };
        let text = format!("invalid mount config for type \"bind\": {problem}");
        return Err(Answer::error(400, text));
    }
    Ok(())
}

/// The image's configuration with the wish laid over it, as the engine merges them.
fn merged_config(wish: &Wish, image: &Value) -> Value {
    let mut config =
        json!({ "Env": null, "Cmd": null, "Entrypoint": null, "Labels": {}, "Volumes": null });
    for source in [image, &Value::Object(wish.body.clone())] {
        for (key, value) in source.as_object().into_iter().flatten() {
            match key.as_str() {
                "HostConfig" | "NetworkingConfig" => {}
                _ if value.is_null() => {}
                "Labels" | "Volumes" => merge(&mut config[key], value),
                "Env" => config["Env"] = merged_env(&config["Env"], value),
                _ => config[key] = value.clone(),
            }
        }
    }
    let own_entrypoint = !wish.field("Entrypoint").is_null();
    if own_entrypoint && wish.field("Cmd").is_null() {
        config["Cmd"] = Value::Null;
    }
    config
}

fn merge(into: &mut Value, from: &Value) {
    for (key, value) in from.as_object().into_iter().flatten() {
        into[key] = value.clone();
    }
}

fn merged_env(image: &Value, own: &Value) -> Value {
    let key = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
    let mut env = string_list(own);
    let own_keys: Vec<String> = env.iter().map(|pair| key(pair)).collect();
    let inherited = string_list(image).into_iter();
    env.extend(inherited.filter(|pair| !own_keys.contains(&key(pair))));
    json!(env)
}

fn argv(config: &Value) -> Result<Vec<String>, Answer> {
    let mut argv = string_list(&config["Entrypoint"]);
    if argv.len() == 1 && argv[0].is_empty() {
        argv.clear();
    }
    argv.extend(string_list(&config["Cmd"]));
    if argv.is_empty() {
        return Err(Answer::error(400, "No command specified"));
    }
    Ok(argv)
}

fn free_name(world: &World, wish: &Wish, id: &str) -> Result<String, Answer> {
    let Some(name) = &wish.name else {
        return Ok(format!("nameless_{}", &id[..12]));
    };
    let first = |c: char| c.is_ascii_alphanumeric();
    let later = |c: char| first(c) || "_.-".contains(c);
    if name.len() < 2 || !name.starts_with(first) || !name.chars().all(later) {
        return Err(Answer::error(
            400,
            format!("Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"),
        ));
    }
    if let Some(holder) = world.named(name) {
        return Err(Answer::error(
            409,
            format!(
                "Conflict. The container name \"/{name}\" is already in use by container \"{}\". \
                 You have to remove (or rename) that container to be able to reuse that name.",
                holder.id
            ),
        ));
    }
    Ok(name.clone())
}

/// What an inspect shows as mounts, and the anonymous volumes among them.
fn mounts(host_config: &Value, volumes: &Value) -> (Vec<Value>, Vec<String>) {
    let mut shown = Vec::new();
    for bind in string_list(&host_config["Binds"]) {
        let mut parts = bind.split(':');
        let (source, target) = (parts.next(), parts.next());
        let mode = parts.next().unwrap_or_default();
        shown.push(bind_mount(source, target, mode, mode != "ro"));
    }
    for mount in host_config["Mounts"].as_array().into_iter().flatten() {
        let (source, target) = (mount["Source"].as_str(), mount["Target"].as_str());
        shown.push(bind_mount(source, target, "", mount["ReadOnly"] != true));
    }
    let taken: Vec<Value> = shown.iter().map(|m| m["Destination"].clone()).collect();
    let mut anonymous = Vec::new();
    for target in volumes
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key)
    {
        if taken.iter().any(|taken| taken == target) {
            continue;
        }
        let name = fresh_id();
        let source = format!("/var/lib/docker/volumes/{name}/_data");
        shown.push(json!({
            "Type": "volume", "Name": name, "Source": source, "Destination": target,
            "Driver": "local", "Mode": "", "RW": true, "Propagation": "",
        }));
        anonymous.push(name);
    }
    (shown, anonymous)
}

fn bind_mount(source: Option<&str>, target: Option<&str>, mode: &str, writable: bool) -> Value {
    json!({
        "Type": "bind", "Source": source, "Destination": target,
        "Mode": mode, "RW": writable, "Propagation": "rprivate",
    })
}
