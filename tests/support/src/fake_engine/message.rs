//! A request as the engine understands it, and an answer before it is written.

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::http::Head;
use super::release::Release;
use super::verb::Verb;

/// One request, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub head: Head,
    pub method: String,
    /// Path and query as they came.
    pub target: String,
    pub verb: Verb,
    /// The container or image that the path names, unescaped.
    pub subject: String,
    pub query: Vec<(String, String)>,
    pub api_version: Option<(u32, u32)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn new(head: Head, body: Vec<u8>) -> Request {
        let mut words = head.start.split(' ');
        let method = words.next().unwrap_or_default().to_owned();
        let target = words.next().unwrap_or_default().to_owned();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let (api_version, path) = split_version(path);
        let (verb, subject) = Verb::of(&method, path);
        Request {
            subject: unescape(&subject),
            query: parse_query(query),
            head,
            method,
            verb,
            api_version,
            body,
            target,
        }
    }

    pub fn param(&self, name: &str) -> Option<&str> {
        let mut found = self.query.iter().filter(|(key, _)| key == name);
        found.next().map(|(_, value)| value.as_str())
    }

    /// A switch as Docker reads it: empty, `0`, `no`, `false` and `none` are off.
    pub fn flag(&self, name: &str) -> bool {
        let value = self.param(name).unwrap_or_default().to_lowercase();
        !matches!(value.as_str(), "" | "0" | "no" | "false" | "none")
    }

    /// The values of one filter, in either of the two spellings Docker reads.
    pub fn filter(&self, name: &str) -> Vec<String> {
        let filters = self.param("filters").unwrap_or("{}");
        let filters: Value = serde_json::from_str(filters).unwrap_or_default();
        match &filters[name] {
            Value::Array(values) => values
                .iter()
                .filter_map(|v| v.as_str().map(str::to_owned))
                .collect(),
            Value::Object(values) => values.keys().cloned().collect(),
            _ => Vec::new(),
        }
    }

    pub fn version_problem(&self, release: Release) -> Option<Answer> {
        let (oldest, newest) = (release.oldest_api(), release.api());
        let asked = self.api_version?;
        let name = |v: (u32, u32)| format!("{}.{}", v.0, v.1);
        let text = if asked > newest {
            let most = name(newest);
            format!(
                "client version {} is too new. Maximum supported API version is {most}",
                name(asked)
            )
        } else if asked < oldest {
            format!(
                "client version {} is too old. Minimum supported API version is {}, please upgrade your client to a newer version",
                name(asked),
                name(oldest)
            )
        } else {
            return None;
        };
        Some(Answer::error(400, text))
    }
}

/// What the engine answers, before a fault may spoil it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub content_type: String,
    /// Other headers, when they are not the fake engine's own.
    pub headers: Vec<(String, String)>,
    pub body: Body,
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Body {
    Empty,
    Full(Vec<u8>),
    /// Pieces as they come; the sender notices when the client is gone. An empty piece says
    /// that the rest is lost and the connection shall break.
    Stream(mpsc::Receiver<Vec<u8>>),
}

impl Answer {
    pub fn empty(status: u16) -> Answer {
        Answer::new(status, "application/json", Body::Empty)
    }

    pub fn json(status: u16, value: &Value) -> Answer {
        let mut text = value.to_string();
        text.push('\n');
        Answer::new(status, "application/json", Body::Full(text.into_bytes()))
    }

    pub fn error(status: u16, message: impl Into<String>) -> Answer {
        Answer::json(status, &json!({ "message": message.into() }))
    }

    pub fn stream(pieces: mpsc::Receiver<Vec<u8>>) -> Answer {
        Answer::new(200, "application/json", Body::Stream(pieces))
    }

    pub fn text(status: u16, text: &str) -> Answer {
        let kind = "text/plain; charset=utf-8";
        Answer::new(status, kind, Body::Full(text.as_bytes().to_vec()))
    }

    fn new(status: u16, content_type: &str, body: Body) -> Answer {
        Answer {
            status,
            content_type: content_type.to_owned(),
            headers: Vec::new(),
            body,
        }
    }
}

fn split_version(path: &str) -> (Option<(u32, u32)>, &str) {
    let Some(rest) = path.strip_prefix("/v") else {
        return (None, path);
    };
    let end = rest.find('/').unwrap_or(rest.len());
    let version = rest[..end].split_once('.');
    let version = version.and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    match version {
        Some(version) => (Some(version), &rest[end..]),
        None => (None, path),
    }
}

fn parse_query(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (unescape(key), unescape(&value.replace('+', " ")))
        })
        .collect()
}

fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut plain, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let hex = text.get(at + 1..at + 3);
        let code = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[at], code) {
            (b'%', Some(code)) => {
                plain.push(code);
                at += 3;
            }
            (byte, _) => {
                plain.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}
