//! Bodies of POST /v1/deploy and POST /v1/stop: what is taken means what JSON says, what is refused is said briefly.

use deploy_agent::http::body;
use serde_json::{Map, Value};

pub fn check(data: &[u8]) {
    let second: Option<Map<String, Value>> = serde_json::from_slice(data).ok();
    match body::deploy(data) {
        Ok(taken) => {
            let object = second.as_ref().expect("what is taken is a JSON object");
            assert_eq!(
                object.get("image"),
                Some(&Value::from(taken.image.as_str()))
            );
            let environment = taken.environment.map(|known| Value::from(known.as_str()));
            assert_eq!(object.get("environment"), environment.as_ref());
            assert_eq!(object.len(), 1 + usize::from(environment.is_some()));
            // What was understood, said again, is understood alike.
            let again = serde_json::to_vec(object).expect("serialises");
            let again = body::deploy(&again).expect("taken again");
            assert_eq!(
                (again.image, again.environment),
                (taken.image, taken.environment)
            );
        }
        Err(error) => is_one_short_line(&error.to_string()),
    }
    let empty = data.trim_ascii().is_empty() || second.is_some_and(|object| object.is_empty());
    match body::stop(data) {
        Ok(()) => assert!(empty, "a stop takes nothing or an empty object"),
        Err(error) => {
            assert!(!empty, "{error}");
            is_one_short_line(&error.to_string());
        }
    }
}

fn is_one_short_line(reason: &str) {
    assert!(
        !reason.is_empty() && reason.chars().count() < 300,
        "{reason:?}"
    );
    assert!(!reason.contains(char::is_control), "{reason:?}");
}
