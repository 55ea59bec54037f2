use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::domain::Environment;

fn variables(extra: &[(&str, &str)]) -> HashMap<String, String> {
    let base = [
        ("ENVIRONMENT", "dev"),
        ("CONTAINER_NAME", "dreichor-runtime-dev"),
        ("AUDIT_EVENTS_PATH", "/srv/audit"),
        ("SNAPSHOTS_PATH", "/srv/snapshots"),
        ("ALLOW_EXECUTION_PLANE", "paper"),
    ];
    base.iter()
        .chain(extra)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn problems(extra: &[(&str, &str)]) -> Vec<String> {
    Settings::from_variables(variables(extra))
        .expect_err("a problem")
        .0
        .into_iter()
        .map(|problem| problem.variable)
        .collect()
}

#[test]
fn the_old_agents_file_is_enough() {
    let settings =
        Settings::from_variables(variables(&[("PORT", "3005"), ("NODE_ENV", "production")]))
            .expect("valid");
    assert_eq!(settings.port, 3005);
    assert_eq!(
        settings.runtime.env_file,
        Path::new("/opt/dreichor/dev/runtime.env")
    );
    assert_eq!(
        settings.state_directory,
        Path::new("/opt/dreichor/dev/deploy-agent/state")
    );
    assert_eq!(settings.runtime.network, "host");
    assert_eq!(
        settings.runtime.restart_policy,
        RestartPolicy::UnlessStopped
    );
    assert_eq!(
        settings.runtime.repository.as_str(),
        "ghcr.io/ceerkle/dreichor-trading/runtime"
    );
    assert_eq!(settings.queue_capacity, 4);
    assert_eq!(settings.operation.budget, Duration::from_secs(90));
}

#[test]
fn every_problem_is_reported_at_once_by_its_variable() {
    let wrong = [
        ("CONTAINER_NAME", "dreichor-runtime-prod"),
        ("AUDIT_EVENTS_PATH", "no/absolute/path"),
        ("PORT", "0"),
        ("QUEUE_CAPACITY", "many"),
        ("START_CONFIRMATION", "perhaps"),
        ("IMAGE_REPOSITORY", "alpine"),
        ("DOCKER_HOST", "/var/run/docker.sock"),
        ("STATE_DIRECTORY", "relative"),
    ];
    let found = problems(&wrong);
    for (variable, _) in wrong {
        assert!(
            found.iter().any(|name| name == variable),
            "{variable} is missing from {found:?}"
        );
    }
}

#[test]
fn what_is_required_is_asked_for_by_name() {
    let found = Settings::from_variables(HashMap::new())
        .expect_err("a problem")
        .0;
    let required: Vec<&str> = found
        .iter()
        .filter(|problem| problem.message == "is required")
        .map(|problem| problem.variable.as_str())
        .collect();
    assert_eq!(
        required,
        [
            "ENVIRONMENT",
            "CONTAINER_NAME",
            "AUDIT_EVENTS_PATH",
            "SNAPSHOTS_PATH",
            "ALLOW_EXECUTION_PLANE"
        ]
    );
}

#[test]
fn an_empty_value_counts_as_unset() {
    assert_eq!(problems(&[("ENVIRONMENT", "")]), ["ENVIRONMENT"]);
    assert_eq!(
        Settings::from_variables(variables(&[("PORT", "")]))
            .expect("valid")
            .port,
        3005
    );
}

#[test]
fn a_budget_that_no_deploy_could_keep_is_a_problem() {
    assert_eq!(
        problems(&[("OPERATION_BUDGET_SECONDS", "20")]),
        ["OPERATION_BUDGET_SECONDS"]
    );
    assert_eq!(
        problems(&[
            ("STOP_GRACE_SECONDS", "60"),
            ("START_CONFIRMATION_SECONDS", "60")
        ]),
        ["OPERATION_BUDGET_SECONDS"]
    );
    assert_eq!(
        problems(&[("OPERATION_BUDGET_SECONDS", "120")]),
        ["OPERATION_BUDGET_SECONDS"]
    );
}

#[test]
fn binds_that_reach_each_other_or_what_is_not_the_runtimes_are_a_problem() {
    for (variable, path) in [
        ("SNAPSHOTS_PATH", "/srv/audit"),
        ("SNAPSHOTS_PATH", "/srv/audit/below"),
        ("SNAPSHOTS_PATH", "/srv/state"),
        ("SNAPSHOTS_PATH", "/srv/state/below"),
        ("SNAPSHOTS_PATH", "/srv/config"),
        ("SNAPSHOTS_PATH", "/srv/engine"),
        ("SNAPSHOTS_PATH", "/srv/certs"),
        ("AUDIT_EVENTS_PATH", "/opt/dreichor/dev"),
        ("AUDIT_EVENTS_PATH", "/opt/dreichor/dev/deploy-agent"),
        (
            "AUDIT_EVENTS_PATH",
            "/opt/dreichor/prod/volumes/audit-events",
        ),
        ("AUDIT_EVENTS_PATH", "/etc/dreichor"),
        ("RUNTIME_ENV_FILE", "/opt/dreichor/prod/runtime.env"),
        ("STATE_DIRECTORY", "/opt/dreichor/prod/deploy-agent/state"),
    ] {
        let found = problems(&[
            ("STATE_DIRECTORY", "/srv/state"),
            ("DOCKER_CONFIG", "/srv/config"),
            ("DOCKER_CERT_PATH", "/srv/certs"),
            ("DOCKER_HOST", "unix:///srv/engine/docker.sock"),
            (variable, path),
        ]);
        assert_eq!(found, [variable], "{path}");
    }
    let all = problems(&[("AUDIT_EVENTS_PATH", "/"), ("SNAPSHOTS_PATH", "/etc")]);
    assert_eq!(all, ["AUDIT_EVENTS_PATH", "SNAPSHOTS_PATH"], "both at once");
}

#[test]
fn the_file_of_the_settings_is_in_no_bind() {
    let directory = tempfile::tempdir().expect("a directory");
    let inside = directory.path().display();
    let file = directory.path().join("settings");
    let text = format!(
        "ENVIRONMENT=dev\nCONTAINER_NAME=runtime-dev\nALLOW_EXECUTION_PLANE=paper\nAUDIT_EVENTS_PATH={inside}\nSNAPSHOTS_PATH=/srv/x\n"
    );
    std::fs::write(&file, text).expect("written");
    let said = Settings::from_file(&file)
        .expect_err("a problem")
        .to_string();
    assert!(
        said.starts_with("AUDIT_EVENTS_PATH ") && said.contains("(the agent's settings)"),
        "{said}"
    );
}

#[test]
fn a_name_in_another_case_is_another_variable() {
    for _ in 0..20 {
        let settings = Settings::from_variables(variables(&[
            ("PORT", "4001"),
            ("port", "4002"),
            ("Environment", "prod"),
        ]));
        let settings = settings.expect("valid");
        assert_eq!(settings.port, 4001);
        assert_eq!(settings.environment, Environment::Dev);
    }
}

#[test]
fn a_directory_that_is_not_there_yet_does_not_end_the_agent() {
    let settings = Settings::from_variables(variables(&[("AUDIT_EVENTS_PATH", "/no/such")]));
    assert_eq!(
        settings.expect("valid").runtime.audit_events,
        Path::new("/no/such")
    );
}

#[test]
fn switches_are_true_and_false_and_nothing_else() {
    for switch in ["TRUE", "False", "1", "0", "yes", "on", " true"] {
        for variable in [
            "ALLOW_EXECUTION_PLANE",
            "ALLOW_MUTABLE_TAGS",
            "RUNTIME_INIT",
        ] {
            if (variable, switch) != ("ALLOW_EXECUTION_PLANE", " true") {
                assert_eq!(problems(&[(variable, switch)]), [variable], "{switch}");
            }
        }
    }
}

#[test]
fn mutable_tags_in_prod_are_a_problem_and_not_ignored() {
    let prod = [
        ("ENVIRONMENT", "prod"),
        ("CONTAINER_NAME", "dreichor-runtime-prod"),
        ("ALLOW_MUTABLE_TAGS", "true"),
    ];
    assert_eq!(problems(&prod), ["ALLOW_MUTABLE_TAGS"]);
}

#[test]
fn a_misspelled_check_is_a_problem_and_not_an_unknown_variable() {
    assert_eq!(
        problems(&[("CF_ACCESS_AUDIENCE", "x"), ("CF_ACESS_AUD", "x")]),
        ["CF_ACCESS_AUDIENCE", "CF_ACESS_AUD"]
    );
}

#[test]
fn the_fingerprint_covers_what_is_not_shown() {
    let print = |extra: &[(&str, &str)]| {
        let settings = Settings::from_variables(variables(extra)).expect("valid");
        (settings.to_string(), settings.fingerprinted())
    };
    let pinned = |hash: &str| {
        print(&[
            ("CF_ACCESS_CLIENT_ID", "ci.access"),
            ("CF_ACCESS_CLIENT_SECRET_SHA256", hash),
        ])
    };
    let (one, other) = (pinned(&"ab".repeat(32)), pinned(&"cd".repeat(32)));
    assert_eq!(one.0, other.0, "no hash is shown");
    assert_ne!(one.1, other.1);
    let host =
        |password: &str| print(&[("DOCKER_HOST", &format!("http://me:{password}@127.0.0.1:1"))]);
    let (one, other) = (host("s3cret"), host("other"));
    assert_eq!(one.0, other.0, "no password is shown");
    assert_ne!(one.1, other.1);
    assert!(
        print(&[("DOCKER_CERT_PATH", "/certs")])
            .0
            .contains("DOCKER_CERT_PATH=/certs")
    );
}

#[test]
fn neither_debug_nor_display_shows_a_secret() {
    let host = ("DOCKER_HOST", "tcp://me:s3cret@localhost:1");
    let pinned = ("CF_ACCESS_CLIENT_ID", "ci.access");
    let hash = "ab".repeat(32);
    let hash = ("CF_ACCESS_CLIENT_SECRET_SHA256", hash.as_str());
    let settings = Settings::from_variables(variables(&[host, pinned, hash])).expect("valid");
    for text in [
        settings.to_string(),
        format!("{settings:?}"),
        format!("{settings:#?}"),
    ] {
        assert!(text.contains("***@localhost:1"), "{text}");
        for secret in ["s3cret", "abab", "171, 171"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[test]
fn lines_of_the_file_that_are_not_what_they_seem_are_named() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let text = "ENVIRONMENT=dev # c\nexport PORT=3005\nNODE_ENV=x # y\nRUST_LOG=warn\n";
    std::fs::write(file.path(), text).expect("written");
    let error = Settings::from_file(file.path()).expect_err("a problem");
    let said = error.to_string();
    assert!(said.contains("line 1 has a #"), "{said}");
    assert!(said.contains("line 2 begins with export"), "{said}");
    assert!(!said.contains("line 3"), "{said}");
}

#[test]
fn the_container_is_bounded_as_its_variables_say() {
    let settings = Settings::from_variables(variables(&[])).expect("valid");
    let RuntimeSettings {
        init, log, limits, ..
    } = settings.runtime;
    assert_eq!(init, None);
    assert_eq!((log.max_size.as_str(), log.max_files), ("10m", 3));
    assert_eq!(limits, Limits::default());
    let settings = Settings::from_variables(variables(&[
        ("RUNTIME_INIT", "false"),
        ("RUNTIME_LOG_MAX_SIZE", "1g"),
        ("RUNTIME_LOG_MAX_FILES", "1"),
        ("RUNTIME_MEMORY", "512m"),
        ("RUNTIME_CPUS", "1.5"),
        ("RUNTIME_PIDS", "100"),
    ]));
    let shown = settings.expect("valid").to_string();
    for line in [
        "RUNTIME_INIT=false",
        "RUNTIME_LOG_MAX_SIZE=1g",
        "RUNTIME_LOG_MAX_FILES=1",
        "RUNTIME_MEMORY=536870912",
        "RUNTIME_CPUS=1.5",
        "RUNTIME_PIDS=100",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
    }
    let bounds = [
        "RUNTIME_LOG_MAX_SIZE",
        "RUNTIME_LOG_MAX_FILES",
        "RUNTIME_MEMORY",
        "RUNTIME_CPUS",
        "RUNTIME_PIDS",
    ];
    assert_eq!(problems(&bounds.map(|name| (name, "none"))), bounds);
}

#[test]
fn an_engine_on_another_host_is_spoken_to_in_clear_only_when_a_setting_says_so() {
    let refused = |extra: &[(&str, &str)]| problems(extra) == ["DOCKER_HOST"];
    for host in [
        "tcp://10.0.0.1:2375",
        "tcp://engine:2375",
        "http://engine",
        "tcp://0.0.0.0:2375",
        "tcp://[fd00::1]:2375",
        "tcp://127.0.0.1.evil.example:2375",
        "tcp://127.0.0.1@engine:2375",
        "tcp://:2375",
    ] {
        let plain = ("DOCKER_HOST", host);
        assert!(refused(&[plain]), "{host}");
        for meant in [
            ("DOCKER_CERT_PATH", "/certs"),
            ("DOCKER_ALLOW_PLAIN_TCP", "true"),
        ] {
            Settings::from_variables(variables(&[plain, meant])).expect(host);
        }
        assert!(
            refused(&[plain, ("DOCKER_ALLOW_PLAIN_TCP", "false")]),
            "{host}"
        );
    }
    for host in [
        "unix:///srv/docker.sock",
        "tcp://127.0.0.1:2375",
        "tcp://localhost:2375",
        "http://[::1]:2375",
        "https://engine:2376",
    ] {
        Settings::from_variables(variables(&[("DOCKER_HOST", host)])).expect(host);
    }
    let secret = variables(&[("DOCKER_HOST", "tcp://me:s3cret@engine:1")]);
    let said = Settings::from_variables(secret)
        .expect_err("a problem")
        .to_string();
    assert!(
        said.contains("without TLS") && !said.contains("s3cret"),
        "{said}"
    );
}

/// What an operator may paste behind any name by mistake.
const PASTED: [(&str, &str); 6] = [
    ("postgres://me:hunter22x@db.example/x", "hunter22x"),
    ("https://me:hunter22x@host:2376", "hunter22x"),
    ("https://host.example/keys?token=hunter22x", "hunter22x"),
    ("tcp://me:hunter22x/a@127.0.0.1:1", "hunter22x"),
    ("password=hunter22x", "hunter22x"),
    ("aB3dE5fG7hJ9kL1mN3pQ5rS7/+hunter22x", "hunter22x"),
];

#[test]
fn no_secret_behind_the_wrong_name_is_shown_by_settings_or_their_problems() {
    for name in names::NAMES {
        for (value, secret) in PASTED {
            let mut given = variables(&[
                ("CF_ACCESS_CLIENT_ID", "ci.access"),
                ("CF_ACCESS_TEAM_DOMAIN", "example.cloudflareaccess.com"),
                ("CF_ACCESS_AUD", "aud"),
            ]);
            given.insert("CF_ACCESS_CLIENT_SECRET_SHA256".to_owned(), "ab".repeat(32));
            given.insert(name.to_owned(), value.to_owned());
            let texts = match Settings::from_variables(given) {
                Ok(settings) => vec![
                    settings.to_string(),
                    format!("{settings:?}"),
                    settings.access.describe(),
                ],
                Err(problems) => vec![problems.to_string(), format!("{problems:?}")],
            };
            for text in texts {
                assert!(!text.contains(secret), "{name}={value}: {text}");
            }
        }
    }
}

#[test]
fn a_tokens_secret_in_the_place_of_its_id_is_a_problem_and_an_audience_is_shown_by_its_beginning() {
    let digits = "4f9a3c2d".repeat(8);
    let hash = "ab".repeat(32);
    let pinned = [
        ("CF_ACCESS_CLIENT_ID", digits.as_str()),
        ("CF_ACCESS_CLIENT_SECRET_SHA256", &hash),
    ];
    let said = Settings::from_variables(variables(&pinned))
        .expect_err("a problem")
        .to_string();
    assert!(
        said.starts_with("CF_ACCESS_CLIENT_ID entry 1") && !said.contains(&digits),
        "{said}"
    );
    let assertion = [
        ("CF_ACCESS_TEAM_DOMAIN", "example.cloudflareaccess.com"),
        ("CF_ACCESS_AUD", &digits),
    ];
    let shown = Settings::from_variables(variables(&assertion))
        .expect("valid")
        .to_string();
    assert!(
        shown.contains("audience 4f9a3c2d…") && !shown.contains(&digits),
        "{shown}"
    );
}
