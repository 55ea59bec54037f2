use super::*;

fn read(text: &str) -> EnvFile {
    parse(text.as_bytes(), CommentEscape::JoinsNextLine).expect("taken")
}

fn value(text: &str) -> Option<String> {
    read(text).variables.remove("A")
}

fn problem(text: &str) -> String {
    let problems = read(text).problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems[0].to_string()
}

#[test]
fn values_are_read_as_systemd_reads_them() {
    for (text, expected) in [
        ("A=1\n", "1"),
        ("A=1", "1"),
        ("  A = 1  \n", "1"),
        ("A=\n", ""),
        ("A=\"x  y\"  \n", "x  y"),
        ("A='x'\"y\"z w \n", "xyz w"),
        ("A=x'y'\n", "x'y'"),
        ("A=x\\ty\\\\ \\\n z\n", "xty\\  z"),
        ("A=\"x\\\"\\$\\`\\\\\\q\"\n", "x\"$`\\\\q"),
        ("A=\"x\\\ny\nz\"\n", "xy\nz"),
        ("A='x\\\ny'\n", "x\\\ny"),
        ("A=1\r\nB=2\r\n", "1"),
        ("A=\"open\n", "open\n"),
        ("A=1\nA=2\n", "2"),
        ("A=b=c\n", "b=c"),
        ("# c \\\nB=1\nA=2\n", "2"),
    ] {
        assert_eq!(value(text).as_deref(), Some(expected), "{text:?}");
    }
}

#[test]
fn a_comment_that_ends_in_a_backslash_is_named_and_read_as_each_systemd_reads_it() {
    let text = "# c \\\nA=1\nB=2\n";
    assert!(problem(text).starts_with("line 1 is a comment that ends in a backslash"));
    assert_eq!(value(text), None);
    let later = parse(text.as_bytes(), CommentEscape::EndsWithLine).expect("taken");
    assert_eq!(later.variables.get("A").map(String::as_str), Some("1"));
    assert_eq!(later.problems.len(), 1);
}

#[test]
fn what_systemd_drops_is_named_by_its_line() {
    for (text, part) in [
        ("export A=1\n", "line 1 begins with export"),
        ("\u{feff}A=1\n", "line 1 begins with a byte order mark"),
        ("\n# c\nA.B=1\n", "line 3 has a name with a dot"),
        ("secret\n", "line 1 has no ="),
        ("1A=secret\n", "line 1 does not begin with a variable name"),
        ("=1\n", "line 1 has no ="),
    ] {
        let said = problem(text);
        assert!(said.starts_with(part), "{said}");
        assert_eq!(value(text), None, "{text:?}");
    }
}

#[test]
fn what_dotenv_read_otherwise_is_named_by_its_line() {
    for (text, part) in [
        ("A=1 # c\n", "line 1 has a #"),
        ("A=\"1\" # c\n", "line 1 has a #"),
        ("B=\"x\ny\"\nA=`1`\n", "line 3 has a value in backticks"),
        ("A=\"x\\ny\"\n", "line 1 has \\n or \\r"),
    ] {
        let said = problem(text);
        assert!(said.starts_with(part), "{said}");
    }
    assert_eq!(read("A=\"1 # 2\"\nB='x\\ny'\n").problems, []);
}

#[test]
fn a_line_that_a_later_one_replaces_is_no_problem() {
    assert_eq!(read("A=1 # c\nA=1\n").problems, []);
}

#[test]
fn bytes_that_systemd_refuses_are_refused() {
    for bytes in [
        &b"A=1\0\n"[..],
        b"B=1\nA=\xff\n",
        b"A=\xed\xa0\x80\n",
        "A=\u{fffe}\n".as_bytes(),
    ] {
        parse(bytes, CommentEscape::JoinsNextLine).expect_err("not a settings file");
    }
    // systemd checks no comment.
    assert_eq!(
        parse(b"# \xff\nA=1\n", CommentEscape::JoinsNextLine)
            .expect("taken")
            .variables
            .len(),
        1
    );
}
