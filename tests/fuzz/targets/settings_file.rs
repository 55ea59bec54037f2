//! The agent's own environment file: names are names, what was read can be written and read again, and neither the
//! parser nor the settings repeat a value.

use std::collections::HashMap;

use deploy_agent::settings::{Settings, env_file};

/// A value that no message may repeat.
const CANARY: &str = "canary-9f31c7";

pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match env_file::parse(text) {
        Ok(variables) => taken(&variables),
        Err(said) => assert!(
            said.starts_with("line ") && said.is_ascii() && said.len() < 80,
            "{said:?}"
        ),
    }
    if let Err(said) = env_file::parse(&text.replace('=', CANARY)) {
        assert!(!said.contains(CANARY), "{said}");
    }
}

fn taken(variables: &HashMap<String, String>) {
    for name in variables.keys() {
        let mut letters = name.bytes();
        let first = letters.next().expect("a name is not empty");
        assert!(first.is_ascii_alphabetic() || first == b'_', "{name:?}");
        assert!(
            letters.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'),
            "{name:?}"
        );
    }
    // In quotes a value is taken as it is, unless its end looks like a continued line.
    let plain = |value: &str| !value.contains(['\n', '\r']) && !value.contains('\\');
    let kept: HashMap<String, String> = variables
        .iter()
        .filter(|(_, value)| plain(value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let again: String = kept
        .iter()
        .map(|(name, value)| format!("{name}=\"{value}\"\n"))
        .collect();
    assert_eq!(env_file::parse(&again).expect("taken again"), kept);
    // Every variable as it is, and one that is surely wrong: told by name, all at once.
    let mut settings = variables.clone();
    settings.insert("PORT".to_owned(), CANARY.to_owned());
    settings.insert(
        "CF_ACCESS_CLIENT_SECRET_SHA256".to_owned(),
        CANARY.to_owned(),
    );
    let error = Settings::from_variables(settings).expect_err("that is no port");
    let said = error.to_string();
    assert!(said.contains("PORT"), "{said}");
}
