//! Asking the agents of a host, and what systemd and Docker show of them.

use serde_json::{Value, json};

use super::host::Host;
use super::registry::REPOSITORY;

/// The client of the tests: `ask dev METHOD ROUTE [BODY]` prints the body, and the status in a last line.
pub const ASK: &str = r#"#!/bin/sh
case $1 in dev) port=3005 ;; prod) port=3006 ;; esac
curl --silent --show-error --max-time 100 --write-out '\n%{http_code}\n' --request "$2" \
    --header 'CF-Access-Client-Id: ci.access' --header 'CF-Access-Client-Secret: of-the-tests' \
    --header 'Content-Type: application/json' ${4:+--data "$4"} "http://127.0.0.1:$port$3"
"#;
/// What an agent answered.
#[derive(Debug)]
pub struct Answered {
    pub code: u16,
    pub body: Value,
}

impl Host {
    pub fn ask(&self, environment: &str, method: &str, route: &str, body: &str) -> Answered {
        let (code, said) = self.said(&format!("ask {environment} {method} {route} '{body}'"));
        assert_eq!(code, 0, "{environment} {method} {route}: {said}");
        let (body, code) = said.rsplit_once('\n').expect("body and status");
        Answered {
            code: code.parse().expect("a status"),
            body: serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {body}")),
        }
    }

    pub fn deploy(&self, environment: &str, tag: &str) -> Answered {
        let body = json!({ "image": format!("{REPOSITORY}:{tag}") });
        self.ask(environment, "POST", "/v1/deploy", &body.to_string())
    }

    /// A deploy that must succeed.
    pub fn deployed(&self, environment: &str, tag: &str) {
        let answer = self.deploy(environment, tag);
        assert_eq!(answer.code, 200, "{}", answer.body);
        assert_eq!(answer.body["status"], "deployed");
        assert_eq!(answer.body["environment"], environment);
    }

    /// An operator acknowledges that the state directory is new.
    pub fn acknowledge(&self, environment: &str) {
        let said = self.ok(&format!(
            "deploy-agent acknowledge {environment} --reason 'the first installation'"
        ));
        assert!(said.contains("acknowledged and recorded"), "{said}");
    }

    pub fn status(&self, environment: &str) -> Answered {
        self.ask(environment, "GET", "/v1/status", "")
    }

    /// The id of the runtime container.
    pub fn container(&self, environment: &str) -> String {
        self.ok(&format!(
            "docker inspect --format '{{{{.Id}}}}' dreichor-runtime-{environment}"
        ))
    }

    /// A property of an agent's unit.
    pub fn property(&self, environment: &str, name: &str) -> String {
        self.ok(&format!(
            "systemctl show --property {name} --value {}",
            unit(environment)
        ))
    }

    /// Waits until the status line of the unit holds this.
    pub fn status_text(&self, environment: &str, pattern: &str) {
        let script = format!(
            "systemctl status --no-pager {} | grep -E 'Status: \"{pattern}'",
            unit(environment)
        );
        self.until(&format!("status {pattern}"), 20, &script);
    }

    /// The records of a trail.
    pub fn trail(&self, environment: &str) -> Vec<Value> {
        let text = self.ok(&format!(
            "cat /opt/dreichor/{environment}/deploy-agent/state/audit.jsonl"
        ));
        let record = |line| serde_json::from_str(line).expect("a record");
        text.lines().map(record).collect()
    }
}

pub fn unit(environment: &str) -> String {
    format!("dreichor-deploy-agent@{environment}.service")
}
