//! The event stream: one bus, a filter for each subscriber.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::sync::{broadcast, mpsc};

use super::container::Container;
use super::host::Host;
use super::message::{Answer, Request};

/// The engine remembers so many events for `since`.
const REMEMBERED: usize = 256;

#[derive(Debug)]
pub(crate) struct EventBus {
    sender: broadcast::Sender<Value>,
    past: Mutex<VecDeque<Value>>,
    pub dropping: AtomicBool,
}

impl Default for EventBus {
    fn default() -> Self {
        EventBus {
            sender: broadcast::Sender::new(REMEMBERED),
            past: Mutex::default(),
            dropping: AtomicBool::new(false),
        }
    }
}

impl EventBus {
    /// Tells subscribers what happened to a container.
    pub fn tell(&self, container: &Container, action: &str, extra: &[(&str, String)]) {
        let mut attributes = container.labels();
        attributes.insert("image".into(), container.config["Image"].clone());
        attributes.insert("name".into(), json!(container.name));
        for (key, value) in extra {
            attributes.insert((*key).to_owned(), json!(value));
        }
        let now = OffsetDateTime::now_utc();
        self.publish(json!({
            "status": action,
            "id": container.id,
            "from": container.config["Image"],
            "Type": "container",
            "Action": action,
            "Actor": { "ID": container.id, "Attributes": attributes },
            "scope": "local",
            "time": now.unix_timestamp(),
            "timeNano": nanos(now),
        }));
    }

    /// Tells subscribers what happened to an image.
    pub fn tell_image(&self, reference: &str, action: &str) {
        let now = OffsetDateTime::now_utc();
        self.publish(json!({
            "status": action,
            "id": reference,
            "Type": "image",
            "Action": action,
            "Actor": { "ID": reference, "Attributes": { "name": reference } },
            "scope": "local",
            "time": now.unix_timestamp(),
            "timeNano": nanos(now),
        }));
    }

    /// What an engine loses when it ends.
    pub fn forget(&self) {
        self.past().clear();
    }

    fn publish(&self, event: Value) {
        if self.dropping.load(Ordering::SeqCst) {
            return;
        }
        let mut past = self.past();
        past.push_back(event.clone());
        if past.len() > REMEMBERED {
            past.pop_front();
        }
        // Nobody listening is no error.
        self.sender.send(event).ok();
    }

    /// What is already past `since`, and a receiver of what comes; nothing between is lost.
    fn subscribe(&self, since: Option<i64>) -> (Vec<Value>, broadcast::Receiver<Value>) {
        let past = self.past();
        let receiver = self.sender.subscribe();
        let replay = match since {
            Some(since) => past
                .iter()
                .filter(|e| e["timeNano"].as_i64() >= Some(since))
                .cloned()
                .collect(),
            None => Vec::new(),
        };
        (replay, receiver)
    }

    fn past(&self) -> std::sync::MutexGuard<'_, VecDeque<Value>> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host {
    /// `GET /events`
    pub fn stream_events(self: &Arc<Self>, request: &Request) -> Answer {
        let filter = Filter::of(request);
        let since = request.param("since").and_then(unix_nanos);
        let until = request.param("until").and_then(unix_nanos);
        let (replay, mut coming) = self.events.subscribe(since);
        let (sender, pieces) = mpsc::channel(REMEMBERED);
        self.runtime.spawn(async move {
            for event in replay {
                send(&sender, &filter, &event).await;
            }
            let end = tokio::time::sleep(time_until(until));
            tokio::pin!(end);
            loop {
                tokio::select! {
                    () = &mut end => return,
                    () = sender.closed() => return,
                    event = coming.recv() => match event {
                        Ok(event) => send(&sender, &filter, &event).await,
                        Err(broadcast::error::RecvError::Lagged(_)) => {}
                        Err(broadcast::error::RecvError::Closed) => return,
                    }
                }
            }
        });
        Answer::stream(pieces)
    }
}

#[derive(Debug)]
struct Filter {
    kinds: Vec<String>,
    containers: Vec<String>,
    actions: Vec<String>,
    labels: Vec<String>,
}

impl Filter {
    fn of(request: &Request) -> Filter {
        Filter {
            kinds: request.filter("type"),
            containers: request.filter("container"),
            actions: request.filter("event"),
            labels: request.filter("label"),
        }
    }

    fn admits(&self, event: &Value) -> bool {
        let attributes = &event["Actor"]["Attributes"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (id, name) = (text(&event["Actor"]["ID"]), text(&attributes["name"]));
        let action = text(&event["Action"]);
        // `exec_start: command` and `health_status: healthy` match by their first word too.
        let stem = action.split(':').next().unwrap_or_default().to_owned();
        let any = |wanted: &[String], test: &dyn Fn(&str) -> bool| {
            wanted.is_empty() || wanted.iter().any(|w| test(w))
        };
        any(&self.kinds, &|kind| event["Type"] == kind)
            && any(&self.containers, &|key| name == key || id.starts_with(key))
            && any(&self.actions, &|wanted| wanted == action || wanted == stem)
            && self.labels.iter().all(|label| has_label(attributes, label))
    }
}

fn has_label(attributes: &Value, label: &str) -> bool {
    match label.split_once('=') {
        Some((key, value)) => attributes[key] == value,
        None => !attributes[label].is_null(),
    }
}

async fn send(sender: &mpsc::Sender<Vec<u8>>, filter: &Filter, event: &Value) {
    if filter.admits(event) {
        // A closed channel is noticed by the loop around.
        sender.send(format!("{event}\n").into_bytes()).await.ok();
    }
}

fn unix_nanos(text: &str) -> Option<i64> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction: i64 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    Some(seconds.parse::<i64>().ok()? * 1_000_000_000 + fraction)
}

fn time_until(until: Option<i64>) -> Duration {
    const FOREVER: Duration = Duration::from_secs(86_400 * 365);
    let now = i64::try_from(nanos(OffsetDateTime::now_utc())).unwrap_or(i64::MAX);
    until.map_or(FOREVER, |until| {
        Duration::from_nanos(u64::try_from(until - now).unwrap_or(0))
    })
}

fn nanos(at: OffsetDateTime) -> i128 {
    at.unix_timestamp_nanos()
}
