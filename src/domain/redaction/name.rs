//! What the name of a variable, of a parameter or of a JSON field says about its value.

/// Between `_`, `-` and `.`, whatever its case, each of these says that the value is a secret.
const WORDS: [&str; 31] = [
    "PASSWORD",
    "PASSWORDS",
    "PASSWD",
    "PASS",
    "PASSPHRASE",
    "PASSCODE",
    "PWD",
    "SECRET",
    "SECRETS",
    "TOKEN",
    "TOKENS",
    "KEY",
    "KEYS",
    "CREDENTIAL",
    "CREDENTIALS",
    "CREDS",
    "PRIVATE",
    "AUTH",
    "AUTHORIZATION",
    "BEARER",
    "COOKIE",
    "COOKIES",
    "DSN",
    "SALT",
    "SEED",
    "MNEMONIC",
    "OTP",
    "TOTP",
    "PIN",
    "SIGNATURE",
    "WEBHOOK",
];
/// The same where words are written together, as in `PGPASSWORD` and `accessToken`.
const ENDINGS: [&str; 9] = [
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "SECRET",
    "TOKEN",
    "APIKEY",
    "ACCESSKEY",
    "PRIVATEKEY",
    "SECRETKEY",
];
/// What holds the login of the database, in whatever form.
const DATABASE: &str = "DATABASE_URL";
/// A name that ends in one of these says where something is, and not what it is.
const PLACES: [&str; 4] = ["FILE", "PATH", "DIR", "DIRECTORY"];

/// Whether a value is a secret because of its name.
pub(super) fn says_secret(name: &str, value: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    if upper == DATABASE {
        return true;
    }
    let words: Vec<&str> = upper
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    // The shell's own PWD is a directory.
    if words == ["PWD"] {
        return false;
    }
    let place = words.last().is_some_and(|word| PLACES.contains(word));
    if place && value.starts_with('/') {
        return false;
    }
    words
        .iter()
        .any(|word| WORDS.contains(word) || ENDINGS.iter().any(|ending| word.ends_with(ending)))
}

#[cfg(test)]
mod tests {
    use super::says_secret;

    #[test]
    fn whole_words_of_a_name_say_secret_in_any_case() {
        for name in [
            "PASSWORD",
            "db_passwd",
            "API_KEY",
            "Auth",
            "SENTRY_DSN",
            "PGPASSWORD",
            "accessToken",
            "x-api-key",
            "PRIVATE_KEY_PATH",
            "DB_PWD",
            "DATABASE_URL",
        ] {
            assert!(says_secret(name, "value"), "{name}");
        }
        for (name, value) in [
            ("MONKEY", "value"),
            ("AUTHOR", "value"),
            ("PASSENGER", "value"),
            ("COMPASS", "value"),
            ("HOST", "value"),
            ("HOME_URL", "value"),
            ("PWD", "/srv"),
            ("PRIVATE_KEY_PATH", "/run/key.pem"),
        ] {
            assert!(!says_secret(name, value), "{name}");
        }
    }
}
