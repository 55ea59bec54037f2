//! The command, the variables and the user of the process.

use crate::domain::ProcessEnv;
use crate::engine::ImageConfig;

/// The longest string that the kernel hands to a process, its NUL included (`MAX_ARG_STRLEN`).
const LONGEST_STRING: usize = 128 * 1024;
/// What all strings and the pointers to them may take: a quarter of the usual stack of 8 MiB, less what engine and
/// runtime add themselves (HOSTNAME, HOME, PATH, an init).
const ALL_STRINGS: usize = 2 * 1024 * 1024 - 4096;
/// The greatest number of a user or a group.
const GREATEST_ID: i128 = 2_147_483_647;

pub(super) fn command(config: &ImageConfig) -> Option<String> {
    let words = config.words();
    let problem = match words.first() {
        None => "the image has no command: neither ENTRYPOINT nor CMD",
        Some(&"") => "the first word of the image's command is empty",
        Some(_) if words.iter().any(|word| word.contains('\0')) => {
            "a word of the image's command holds a NUL byte"
        }
        Some(_) => return None,
    };
    Some(problem.to_owned())
}

/// `runtime.env` is read so that it holds none of these.
pub(super) fn variables(process: &ProcessEnv<'_>) -> Option<String> {
    let broken =
        |name: &str, value: &str| name.is_empty() || (name.to_owned() + value).contains('\0');
    process
        .iter()
        .any(|(name, value)| broken(name, value))
        .then(|| "a variable that the image sets has no name or holds a NUL byte".to_owned())
}

/// The kernel refuses to start a program that is given more, and the engine has called it started by then.
pub(super) fn size(config: &ImageConfig, process: &ProcessEnv<'_>) -> Option<String> {
    let words = config.words();
    let of_words = words.iter().map(|word| word.len() + 1);
    // The name, =, the value, NUL.
    let variables = || {
        process
            .iter()
            .map(|(name, value)| (name, name.len() + value.len() + 2))
    };
    if let Some((name, _)) = variables().find(|(_, length)| *length > LONGEST_STRING) {
        return Some(format!(
            "the variable {name} is longer than the kernel takes (128 KiB)"
        ));
    }
    if of_words.clone().any(|length| length > LONGEST_STRING) {
        return Some(
            "a word of the image's command is longer than the kernel takes (128 KiB)".to_owned(),
        );
    }
    // The kernel copies the name of the program once more.
    let program = words.first().map_or(0, |program| program.len() + 1);
    let strings = of_words.chain(variables().map(|(_, length)| length));
    let all: usize = strings.map(|length| length + size_of::<usize>()).sum();
    (all + program > ALL_STRINGS).then(|| {
        format!(
            "the command and the variables of the image and of runtime.env take {all} bytes together, which is more than the kernel takes (2 MiB)"
        )
    })
}

/// Names are looked up in the image's own files; only numbers can be judged here.
pub(super) fn user(user: &str) -> Option<String> {
    user.split(':').take(2).find_map(|part| {
        let digits = part.trim_start_matches(['+', '-']);
        let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        // More digits than a number has are no less out of range.
        let number: i128 = part.parse().unwrap_or(i128::MAX);
        let outside = is_number && !(0..=GREATEST_ID).contains(&number);
        outside.then(|| format!("the image's USER holds a number outside of 0 to {GREATEST_ID}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RuntimeEnv;

    #[test]
    fn users_are_judged_by_their_numbers() {
        for good in [
            "",
            "0",
            "1000:1000",
            "node",
            ":",
            "1:2:-3",
            "2147483647",
            "1.5",
            "+1",
        ] {
            assert_eq!(user(good), None, "{good}");
        }
        for bad in [
            "-1",
            "2147483648",
            "0:2147483648",
            ":-1",
            "99999999999999999999",
            "node:-1",
        ] {
            assert!(user(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn strings_are_counted_as_the_kernel_counts_them() {
        let runtime = RuntimeEnv::default();
        let told = |env: Vec<String>, words: Vec<String>| {
            let config = ImageConfig {
                env,
                command: words,
                ..ImageConfig::default()
            };
            size(&config, &ProcessEnv::new(&config.env, &runtime))
        };
        let variable = |length: usize| format!("A={}", "x".repeat(length - 3));
        let run = || vec!["run".to_owned()];
        assert_eq!(told(vec![variable(LONGEST_STRING)], run()), None);
        let long = told(vec![variable(LONGEST_STRING + 1)], run()).expect("too long");
        assert!(long.contains("the variable A is longer"), "{long}");
        let word = |length: usize| vec!["run".to_owned(), "x".repeat(length - 1)];
        assert_eq!(told(vec![], word(LONGEST_STRING)), None);
        assert!(told(vec![], word(LONGEST_STRING + 1)).is_some());
        // Two strings for the words and the program once more: 4 + 8 + 4 bytes.
        let empty = |count: usize| (0..count).map(|n| format!("{n:06}=")).collect();
        let each = 6 + 2 + 8;
        let most = (ALL_STRINGS - 16) / each;
        assert_eq!(told(empty(most), run()), None);
        assert!(told(empty(most + 1), run()).is_some());
    }
}
