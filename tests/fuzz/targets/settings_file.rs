//! The agent's own environment file: names are names, what was read can be written and read again, and neither the
//! parser nor the settings repeat a value.

use std::collections::HashMap;

use deploy_agent::settings::Settings;
use deploy_agent::settings::env_file::{self, CommentEscape};

/// A value that no message may repeat.
const CANARY: &str = "canary-9f31c7";

pub fn check(data: &[u8]) {
    for escape in [CommentEscape::JoinsNextLine, CommentEscape::EndsWithLine] {
        let lines = data.iter().filter(|byte| **byte == b'\n').count() + 1;
        let problems = match env_file::parse(data, escape) {
            Ok(found) => {
                taken(&found.variables);
                found.problems
            }
            Err(refused) => vec![refused],
        };
        for problem in problems {
            assert!((1..=lines).contains(&problem.line), "{problem:?}");
        }
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
    let again: String = variables
        .iter()
        .map(|(name, value)| {
            let mut quoted = String::new();
            for letter in value.chars() {
                if matches!(letter, '"' | '\\' | '`' | '$') {
                    quoted.push('\\');
                }
                quoted.push(letter);
            }
            format!("{name}=\"{quoted}\"\n")
        })
        .collect();
    let again = env_file::parse(again.as_bytes(), CommentEscape::EndsWithLine);
    assert_eq!(&again.expect("taken again").variables, variables);
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
