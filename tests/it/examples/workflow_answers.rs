//! `examples/github-actions/deploy.yml` with answers that no agent gives, or that a test cannot bring it to give.

use serde_json::{Value, json};

use super::runner::{Dispatch, Outcome, Runner};
use super::stub::{Canned, LOGIN_PAGE, Stub};
use super::workflow::{AFTER_FAILURE, BEFORE, STOP};

const REPOSITORY: &str = "127.0.0.1:5000/runtime";
const IMAGE: &str = "127.0.0.1:5000/runtime:1.0.0";

by_each_runner!(
    what_is_not_the_agent_is_recognised,
    refusals_come_with_their_reason,
    an_answer_cannot_give_the_runner_commands,
    operation_and_audit_head_are_shown,
    a_status_that_shows_something_else_fails_it_and_a_smoke_run_still_stops,
);

pub fn run(runner: Runner, stub: &Stub, change: impl FnOnce(&mut Dispatch)) -> Outcome {
    let mut asked = Dispatch::new(runner, stub.url(), REPOSITORY, "1.0.0");
    change(&mut asked);
    let directory = tempfile::tempdir().expect("a directory");
    asked.run(directory.path())
}

pub fn fails(outcome: &Outcome, step: &str, says: &[&str]) {
    let (failed, said) = outcome.failure();
    assert_eq!(failed, step, "{said}");
    for word in says.iter().chain(&["::error::"]) {
        assert!(said.contains(word), "{word}: {said}");
    }
}

/// What an agent of dev says when nothing runs.
fn nothing_runs() -> Canned {
    let body = json!({"container_name": "x-dev", "running": false});
    Canned::json("/v1/status", "200 OK", &body)
}

pub fn deployed() -> Canned {
    let body = json!({"status": "deployed", "container_name": "x-dev", "image": IMAGE, "environment": "dev"});
    Canned::json("/v1/deploy", "200 OK", &body)
}

pub fn runs() -> Value {
    json!({"container_name": "x-dev", "running": true, "image": IMAGE, "started_at": "2026-11-01T10:00:00.5Z"})
}

fn error(status: &'static str, reason: &str) -> Canned {
    let body = json!({"status": "error", "reason": reason});
    Canned::json("/v1/deploy", status, &body)
}

fn what_is_not_the_agent_is_recognised(runner: Runner) {
    let page = |status| (status, "text/html", LOGIN_PAGE);
    let json = |body| ("200 OK", "application/json", body);
    type Page = (&'static str, &'static str, &'static str);
    let cases: [(Page, &[&str]); 6] = [
        (page("200 OK"), &["no JSON", "login page"]),
        (page("302 Found"), &["302", "redirect"]),
        (page("403 Forbidden"), &["403", "no JSON"]),
        (page("524 A Timeout"), &["524", "read the status"]),
        (json("[]"), &["no JSON"]),
        (json(""), &["no JSON"]),
    ];
    for ((status, kind, body), says) in cases {
        let stub = Stub::serve(vec![Canned::new("/v1/status", status, kind, body)]);
        fails(&run(runner, &stub, |_| ()), BEFORE, says);
        let answer = Canned::new("/v1/deploy", status, kind, body);
        let stub = Stub::serve(vec![nothing_runs(), answer]);
        fails(&run(runner, &stub, |_| ()), "Deploy", says);
    }
    let cut = Stub::serve(vec![nothing_runs()]);
    let says = ["no answer", "read the status"];
    fails(&run(runner, &cut, |_| ()), "Deploy", &says);
    let other = json!({"status": "deployed", "container_name": "x-dev", "image": "x:1", "environment": "dev"});
    let other = Canned::json("/v1/deploy", "200 OK", &other);
    let stub = Stub::serve(vec![nothing_runs(), other]);
    let says = ["deployed something else"];
    fails(&run(runner, &stub, |_| ()), "Deploy", &says);
}

fn refusals_come_with_their_reason(runner: Runner) {
    for (status, code) in [
        ("401 Unauthorized", "401"),
        ("423 Locked", "423"),
        ("503 Service Unavailable", "503"),
        // Anything but 200, although the body says otherwise.
        ("202 Accepted", "202"),
    ] {
        let stub = Stub::serve(vec![nothing_runs(), error(status, "because of it")]);
        let outcome = run(runner, &stub, |_| ());
        fails(&outcome, "Deploy", &[code, "because of it"]);
        assert_eq!(outcome.ran().last(), Some(&AFTER_FAILURE));
        let shown = ["because of it", "not said by the agent", "status of dev"];
        for shown in shown {
            assert!(outcome.summary.contains(shown), "{shown}: {outcome:?}");
        }
    }
}

fn an_answer_cannot_give_the_runner_commands(runner: Runner) {
    let reason = "100% bad\n::warning::one\r::set-output name=a::two\n##[notice]three %41::debug::four \u{1b}[31m `|` <b>";
    let stub = Stub::serve(vec![
        nothing_runs(),
        error("500 Internal Server Error", reason),
    ]);
    let outcome = run(runner, &stub, |_| ());
    fails(&outcome, "Deploy", &["100%25 bad", "%0A: :warning: :one"]);
    let shown = reason.replace('\u{1b}', "?").replace("::", ": :");
    let shown = format!("POST /v1/deploy: 500 {shown}");
    assert_eq!(outcome.commands, [("error".to_owned(), shown)]);
    let row = outcome
        .summary
        .lines()
        .find(|line| line.contains("100% bad"));
    let row = row.expect("the reason is in the summary");
    assert!(
        row.contains("four") && row.contains("?[31m ??? <b>"),
        "{row}"
    );

    // The same in fields that are only shown, and over several lines.
    let body = "{\n\"status\":\n\"##[warning]one\",\n\"image\": \"\\n::warning::two\"}";
    let stub = Stub::serve(vec![Canned::new(
        "/v1/status",
        "200 OK",
        "application/json",
        body,
    )]);
    let outcome = run(runner, &stub, |_| ());
    fails(&outcome, BEFORE, &["another environment"]);
    let names: Vec<_> = outcome
        .commands
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["error"], "{outcome:?}");
}

fn operation_and_audit_head_are_shown(runner: Runner) {
    let stub = Stub::serve(vec![
        Canned::json("/v1/status", "200 OK", &runs()),
        deployed()
            .header("dreichor-operation: 0d1e-`|`7")
            .header("Dreichor-Audit-Head: 12:abcdef"),
        Canned::json(
            "/v1/stop",
            "200 OK",
            &json!({"status": "stopped", "container_name": "x-dev"}),
        ),
    ]);
    let outcome = run(runner, &stub, |_| ());
    assert!(outcome.succeeded(), "{outcome:?}");
    let said = outcome.said("Deploy");
    assert!(
        said.contains("operation 0d1e-???7, audit head 12:abcdef"),
        "{said}"
    );
    for row in [
        format!("| image | `{IMAGE}` |"),
        "| operation | `0d1e-???7` |".to_owned(),
        "| audit head | `12:abcdef` |".to_owned(),
        "| started at | `2026-11-01T10:00:00.5Z` |".to_owned(),
    ] {
        assert!(outcome.summary.contains(&row), "{row}: {}", outcome.summary);
    }
}

fn a_status_that_shows_something_else_fails_it_and_a_smoke_run_still_stops(runner: Runner) {
    let mut other = runs();
    other["image"] = json!("127.0.0.1:5000/runtime:0.9.0");
    let mut never = runs();
    never["started_at"] = Value::Null;
    let stopped = json!({"status": "stopped", "container_name": "x-dev"});
    for status in [
        json!({"container_name": "x-dev", "running": false}),
        other,
        never,
    ] {
        let stub = Stub::serve(vec![
            deployed(),
            Canned::json("/v1/status", "200 OK", &status),
            Canned::json("/v1/stop", "200 OK", &stopped),
        ]);
        let outcome = run(runner, &stub, |asked| asked.mode = "smoke");
        fails(&outcome, "Verify", &["the status shows something else"]);
        assert_eq!(outcome.ran().last(), Some(&STOP));
    }
}
