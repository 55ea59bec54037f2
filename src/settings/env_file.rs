//! `--env-file`: a file in the format of systemd's `EnvironmentFile=`, so that `check` reads what the unit reads.

use std::collections::HashMap;

/// Parses assignments: comments at line start (`#`, `;`), one level of matching quotes, and a backslash at
/// the end of an unquoted line that joins the next.
///
/// # Errors
/// The number of the first line that is no assignment; its text may be a secret and is not quoted.
pub fn parse(text: &str) -> Result<HashMap<String, String>, String> {
    let mut variables = HashMap::new();
    let mut lines = text.trim_start_matches('\u{feff}').lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line
            .split_once('=')
            .ok_or_else(|| format!("line {} has no =", index + 1))?;
        let name = name.trim();
        let valid = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if name.is_empty()
            || !name.bytes().all(valid)
            || name.starts_with(|c: char| c.is_ascii_digit())
        {
            return Err(format!(
                "line {} does not begin with a variable name",
                index + 1
            ));
        }
        let mut value = value.trim().to_owned();
        while value.ends_with('\\') {
            value.pop();
            match lines.next() {
                Some((_, next)) => value.push_str(next.trim()),
                None => break,
            }
        }
        variables.insert(name.to_owned(), unquote(&value));
    }
    Ok(variables)
}

fn unquote(value: &str) -> String {
    for quote in ['"', '\''] {
        if let Some(inner) = value
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote))
        {
            return inner.to_owned();
        }
    }
    value.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_old_agent_is_read_as_systemd_reads_it() {
        let parsed = parse("# c\n; c\n\nPORT=3005\nA=\"x y\"\nexport B='z'\nC=a=b\nD=1\\\n2\n")
            .expect("valid");
        let get = |name: &str| parsed.get(name).map(String::as_str);
        assert_eq!(get("PORT"), Some("3005"));
        assert_eq!(get("A"), Some("x y"));
        assert_eq!(get("B"), Some("z"));
        assert_eq!(get("C"), Some("a=b"));
        assert_eq!(get("D"), Some("12"));
    }

    #[test]
    fn a_line_that_is_no_assignment_is_named_by_number_only() {
        assert_eq!(
            parse("A=1\nsecret").expect_err("refused"),
            "line 2 has no ="
        );
        assert_eq!(
            parse("1A=secret").expect_err("refused"),
            "line 1 does not begin with a variable name"
        );
    }
}
