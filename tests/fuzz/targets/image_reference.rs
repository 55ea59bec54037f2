//! Image references and the repository setting: what is taken is the repository, a colon and a tag of the
//! specification, letter for letter.

use deploy_agent::domain::{Environment, ImageReference, Repository};

const ALLOWED: &str = "ghcr.io/ceerkle/dreichor-trading/runtime";

pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let allowed = Repository::parse(ALLOWED).expect("valid");
    reference(text, &allowed);
    reference(&format!("{ALLOWED}{text}"), &allowed);
    reference(&format!("{ALLOWED}:{text}"), &allowed);
    let (name, rest) = text.split_once('\n').unwrap_or((text, ""));
    if let Ok(other) = Repository::parse(name) {
        assert_eq!(other.as_str(), name);
        assert!(name.is_ascii() && !name.contains(['@', ' ', '?', '#', '%', '\\', '"']));
        assert!(
            !name.contains("..") && !name.contains("//"),
            "no way up: {name}"
        );
        assert!(name.starts_with(other.host()) && name.len() > other.host().len() + 1);
        assert!(
            !name[other.host().len()..].contains(':'),
            "no tag in {name}"
        );
        reference(&format!("{name}:{rest}"), &other);
        assert!(ImageReference::parse(&format!("{name}:1"), &other, Environment::Prod).is_ok());
    }
}

fn reference(text: &str, allowed: &Repository) {
    let dev = ImageReference::parse(text, allowed, Environment::Dev);
    let prod = ImageReference::parse(text, allowed, Environment::Prod);
    let tag = text
        .strip_prefix(allowed.as_str())
        .and_then(|rest| rest.strip_prefix(':'));
    assert_eq!(dev.is_ok(), tag.is_some_and(is_tag), "{text:?}");
    assert_eq!(
        prod.is_ok(),
        tag.is_some_and(|tag| is_tag(tag) && tag != "latest"),
        "{text:?}"
    );
    for parsed in [dev, prod] {
        match parsed {
            Ok(image) => {
                assert_eq!(image.as_str(), text);
                assert_eq!(image.to_string(), text);
                assert_eq!(Some(image.tag().as_str()), tag);
                assert_eq!(image.repository(), allowed);
            }
            Err(error) => {
                // The only text of others in it is the setting's.
                let said = error.to_string().replace(allowed.as_str(), "");
                assert!(said.is_ascii() && said.len() < 150, "{said:?}");
            }
        }
    }
}

/// `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`, by hand.
fn is_tag(text: &str) -> bool {
    let word = |c: char| matches!(c, 'a'..='z' | 'A'..='Z' | '0'..='9' | '_');
    let mut letters = text.chars();
    letters.next().is_some_and(word)
        && letters.all(|c| word(c) || c == '.' || c == '-')
        && text.chars().count() <= 128
}
