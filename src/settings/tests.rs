use super::*;

fn variables(extra: &[(&str, &str)]) -> HashMap<String, String> {
    let base = [
        ("ENVIRONMENT", "dev"),
        ("CONTAINER_NAME", "dreichor-runtime-dev"),
        ("AUDIT_EVENTS_PATH", "/usr"),
        ("SNAPSHOTS_PATH", "/etc"),
        ("ALLOW_EXECUTION_PLANE", "paper"),
    ];
    base.iter()
        .chain(extra)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn problems(extra: &[(&str, &str)]) -> Vec<String> {
    Settings::from_variables(variables(extra))
        .expect_err("refused")
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
    assert_eq!(settings.runtime.repository.as_str(), DEFAULT_REPOSITORY);
    assert_eq!(settings.queue_capacity, 4);
    assert_eq!(settings.operation.budget, Duration::from_secs(90));
}

#[test]
fn every_problem_is_reported_at_once_by_its_variable() {
    let found = problems(&[
        ("CONTAINER_NAME", "dreichor-runtime-prod"),
        ("AUDIT_EVENTS_PATH", "/no/such/directory"),
        ("PORT", "0"),
        ("QUEUE_CAPACITY", "many"),
        ("START_CONFIRMATION", "perhaps"),
        ("IMAGE_REPOSITORY", "alpine"),
        ("DOCKER_HOST", "/var/run/docker.sock"),
        ("STATE_DIRECTORY", "relative"),
    ]);
    for variable in [
        "CONTAINER_NAME",
        "AUDIT_EVENTS_PATH",
        "PORT",
        "QUEUE_CAPACITY",
        "START_CONFIRMATION",
        "IMAGE_REPOSITORY",
        "DOCKER_HOST",
        "STATE_DIRECTORY",
    ] {
        assert!(
            found.iter().any(|name| name == variable),
            "{variable} is missing from {found:?}"
        );
    }
}

#[test]
fn what_is_required_is_asked_for_by_name() {
    let found = Settings::from_variables(HashMap::new())
        .expect_err("refused")
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
fn a_budget_that_no_deploy_could_keep_is_refused() {
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
fn one_directory_for_both_binds_is_refused() {
    assert_eq!(problems(&[("SNAPSHOTS_PATH", "/usr")]), ["SNAPSHOTS_PATH"]);
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
