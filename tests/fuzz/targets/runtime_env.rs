//! `runtime.env`: the variables are those of a second, naive reader; nothing without a value and no NUL gets through.

use deploy_agent::domain::RuntimeEnv;

pub fn check(data: &[u8]) {
    let expected = second_reader(data);
    match RuntimeEnv::parse(data) {
        Ok(taken) => {
            let pairs: Vec<(String, String)> = taken
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            assert_eq!(Some(&pairs), expected.as_ref());
            for (line, (name, value)) in taken.to_engine().iter().zip(&pairs) {
                assert!(
                    !name.is_empty() && !name.contains(['=', ' ', '\t', '\n', '\0']),
                    "{name:?}"
                );
                assert!(!value.contains(['\n', '\0']), "{value:?}");
                assert_eq!(line.split_once('='), Some((name.as_str(), value.as_str())));
            }
            for (name, _) in &pairs {
                let last = pairs.iter().rfind(|(other, _)| other == name);
                assert_eq!(taken.get(name), last.map(|(_, value)| value.as_str()));
            }
            nothing_shows_a_value(&taken, &pairs);
        }
        Err(error) => {
            assert_eq!(expected, None, "{error}");
            let said = error.to_string();
            assert!(
                said.starts_with("line ") && said.is_ascii() && said.len() < 120,
                "{said:?}"
            );
        }
    }
}

fn nothing_shows_a_value(taken: &RuntimeEnv, pairs: &[(String, String)]) {
    let names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(format!("{taken:?}"), format!("{names:?}"));
    for (_, value) in pairs {
        // Whatever is no common word and no address of the network is a secret under such a name.
        let uncommon = value.chars().count() >= 6 && value.contains('!');
        if uncommon && !value.contains('*') && !value.ends_with('\r') {
            // With the longer name, the longest line may be too long.
            let secret = RuntimeEnv::parse(format!("DB_PASSWORD={value}").as_bytes());
            let text = secret.map(|secret| secret.redact(&format!("<{value}>")));
            assert!(!text.is_ok_and(|text| text.contains(value.as_str())));
        }
    }
}

/// What `docker run --env-file` documents, and the agent's two exceptions.
fn second_reader(data: &[u8]) -> Option<Vec<(String, String)>> {
    let data = data.strip_prefix("\u{feff}".as_bytes()).unwrap_or(data);
    let mut pairs = Vec::new();
    for line in data.split(|byte| *byte == b'\n') {
        if line.len() >= 65_536 {
            return None;
        }
        let line = String::from_utf8(line.to_vec()).ok()?;
        let line = line.strip_suffix('\r').unwrap_or(&line).trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let equals = line.find('=')?;
        let (name, value) = (&line[..equals], &line[equals + 1..]);
        if name.is_empty() || name.contains(' ') || name.contains('\t') || line.contains('\0') {
            return None;
        }
        pairs.push((name.to_owned(), value.to_owned()));
    }
    Some(pairs)
}
