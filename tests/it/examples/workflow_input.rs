//! What people and GitHub put into `examples/github-actions/deploy.yml`: pasted secrets, and who pressed the button.

use super::runner::{Dispatch, Runner};
use super::stub::{Canned, Stub};
use super::workflow_answers::{deployed, fails, run, runs};

by_each_runner!(
    what_was_pasted_is_trimmed_or_refused_by_name,
    the_agent_is_told_who_asks,
);

fn what_was_pasted_is_trimmed_or_refused_by_name(runner: Runner) {
    let stub = Stub::serve(vec![
        deployed(),
        Canned::json("/v1/status", "200 OK", &runs()),
    ]);
    let outcome = run(runner, &stub, |asked| {
        asked.agent_url = format!(" {}//\n", asked.agent_url);
        asked.client_id += "\r\n";
        asked.client_secret = format!("\t {} \n\n", asked.client_secret);
    });
    assert!(outcome.succeeded(), "{outcome:?}");
    for head in stub.heads() {
        let token = format!("\r\nCF-Access-Client-Id: {}\r\n", super::CLIENT_ID);
        assert!(head.contains(&token), "{head}");
        let token = format!("CF-Access-Client-Secret: {}", super::CLIENT_SECRET);
        assert!(head.lines().any(|line| line == token), "{head}");
        assert!(head.contains(" /v1/"), "{head}");
    }
    let heard = stub.heads().len();

    type Change = fn(&mut Dispatch);
    let refused: [(Change, &str); 9] = [
        (
            |asked| asked.client_id.clear(),
            "CF_ACCESS_CLIENT_ID is not set",
        ),
        (
            |asked| asked.client_secret = " \n".to_owned(),
            "CF_ACCESS_CLIENT_SECRET is not set",
        ),
        (
            |asked| asked.agent_url.clear(),
            "DEPLOY_AGENT_URL is not set",
        ),
        (
            |asked| asked.client_secret.insert(3, '\n'),
            "the secret CF_ACCESS_CLIENT_SECRET",
        ),
        (
            |asked| asked.client_id.insert_str(2, "\r\nX: y"),
            "the secret CF_ACCESS_CLIENT_ID",
        ),
        (
            |asked| asked.client_secret = format!("\"{}\"", asked.client_secret),
            "the secret CF_ACCESS_CLIENT_SECRET",
        ),
        (
            |asked| asked.client_id = format!("CF-Access-Client-Id: {}", asked.client_id),
            "the secret CF_ACCESS_CLIENT_ID",
        ),
        (|asked| asked.agent_url += "/v1/deploy", "without a path"),
        (
            |asked| asked.agent_url = "http://deploy-prod.example.com".to_owned(),
            "https://",
        ),
    ];
    for (change, says) in refused {
        fails(&run(runner, &stub, change), "Prepare", &[says]);
    }
    assert_eq!(stub.heads().len(), heard, "nothing was sent");
}

fn the_agent_is_told_who_asks(runner: Runner) {
    let stub = Stub::serve(vec![
        deployed(),
        Canned::json("/v1/status", "200 OK", &runs()),
    ]);
    let hostile = "dependabot[bot]\"; é";
    let outcome = run(runner, &stub, |asked| asked.actor = hostile.to_owned());
    assert!(outcome.succeeded(), "{outcome:?}");
    for head in stub.heads() {
        let agent = head
            .lines()
            .find_map(|line| line.strip_prefix("User-Agent: "));
        let agent = agent.expect("it says who it is");
        assert!(agent.starts_with("github-actions (run="), "{agent}");
        for part in [
            "; attempt=1; ",
            "; actor=dependabot_bot__; __; ",
            "; repository=ceerkle/dreichor-trading)",
        ] {
            assert!(agent.contains(part), "{part}: {agent}");
        }
    }
    let outcome = run(runner, &stub, |asked| asked.actor = "a".repeat(300));
    assert!(outcome.succeeded(), "{outcome:?}");
    let last = stub.heads().pop().expect("asked");
    let agent = last
        .lines()
        .find_map(|line| line.strip_prefix("User-Agent: "));
    assert_eq!(agent.map(str::len), Some(250));
}
