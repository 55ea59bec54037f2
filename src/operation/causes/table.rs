//! The table itself.

use super::Known::{Before, NotBefore};
use super::{Cause, Known};
use crate::operation::Step;

/// Found by a function that `check` calls too.
const fn checked(by: &'static str) -> Known {
    Before { by, in_check: true }
}

/// Found once the image is here.
const fn verified(by: &'static str) -> Known {
    Before {
        by,
        in_check: false,
    }
}

const fn never(why: &'static str) -> Known {
    NotBefore { why }
}

const fn cause(fails: Step, what: &'static str, known: Known, scenario: &'static str) -> Cause {
    Cause {
        what,
        fails,
        known,
        scenario,
    }
}

/// An engine shows the files of an image only of a container that was made of it. One made on trial would be a second
/// container of this environment, left behind by every agent that dies beside it.
const FILES_OF_THE_IMAGE: &str =
    "the files of an image are seen only in a container, and no second one is made on trial";
/// Between the last look and the act there is always a moment.
const AFTERWARDS: &str =
    "somebody else does it after the last look; the reason names it, and the next deploy converges";
/// What the program wants is its own business: no configuration of an image says it.
const THE_PROGRAM: &str = "what the program needs, and how it ends, shows when it runs";

/// The table, in the order of the steps.
pub const CAUSES: [Cause; 42] = [
    // What the settings ask for.
    cause(
        Step::Create,
        "a restart policy, a size of logs or a limit that no engine takes",
        checked("load::read"),
        "known::settings_that_no_engine_takes_end_the_start_and_leave_the_container",
    ),
    cause(
        Step::Create,
        "a limit that this engine's host cannot keep",
        checked("info::limit_problem"),
        "container_bounds::a_limit_that_the_engine_cannot_keep_is_refused_before_anything_is_touched",
    ),
    cause(
        Step::Create,
        "the host's network on an engine that remaps users",
        checked("info::network_mode_problem"),
        "known_engines::the_hosts_network_of_an_engine_that_remaps_users_is_refused",
    ),
    cause(
        Step::Create,
        "an engine that is older than what the agent asks of it",
        checked("about::too_old"),
        "known_engines::an_engine_that_is_too_old_is_named",
    ),
    cause(
        Step::Start,
        "an init that the engine does not have",
        checked("info::init_problem"),
        "known_engines::an_init_that_the_engine_does_not_have_is_refused",
    ),
    cause(
        Step::Start,
        "a network that is not there",
        checked("network::network_problem"),
        "known::a_network_that_is_not_there_is_refused",
    ),
    cause(
        Step::Start,
        "a network that no container can join: of configuration only, or of a swarm's services",
        checked("network::network_problem"),
        "known::a_network_that_no_container_can_join_is_refused",
    ),
    cause(
        Step::Start,
        "a network that goes during the pull",
        verified("engine_host::room_and_network"),
        "known::a_network_that_goes_during_the_pull_is_found",
    ),
    cause(
        Step::Start,
        "a network without a free address, or whose driver refuses",
        never(
            "engines do not tell what is free, and the old container gives its own address back first",
        ),
        "known::a_network_without_a_free_address_fails_the_start",
    ),
    // What is on the host.
    cause(
        Step::Create,
        "a bind source that is missing or no directory",
        checked("host::path_problems"),
        "failures::a_missing_bind_source_is_named_and_nothing_is_touched",
    ),
    cause(
        Step::Create,
        "a bind source that goes during the pull",
        verified("image::unchanged"),
        "known::a_bind_source_that_goes_during_the_pull_is_found",
    ),
    cause(
        Step::Create,
        "a bind source that goes after the last look",
        never(AFTERWARDS),
        "known::a_bind_source_that_goes_after_the_last_look_fails_the_create",
    ),
    cause(
        Step::Create,
        "a runtime.env that cannot be read, or holds what no process can be given",
        checked("host::read_env_file"),
        "failures::a_bad_runtime_env_is_named_and_nothing_is_touched",
    ),
    cause(
        Step::Confirm,
        "a runtime.env without a database",
        checked("host::variable_problems"),
        "known::a_runtime_env_without_a_database_is_refused",
    ),
    cause(
        Step::Create,
        "no room on the engine's disk",
        checked("engine_host::no_room"),
        "disk::a_full_disk_of_the_engine_is_refused",
    ),
    cause(
        Step::Confirm,
        "a trail that cannot be written",
        checked("perform::begin"),
        "disk::on_a_full_disk_nothing_is_started_and_status_goes_on",
    ),
    // What answers there.
    cause(
        Step::Create,
        "an engine that only speaks like Docker's",
        checked("version::other_engine"),
        "known_engines::an_engine_that_is_not_dockers_is_named",
    ),
    cause(
        Step::Start,
        "a log driver that cannot log: an address that does not answer, a plugin that is gone",
        never("an engine tells its driver's name, neither its options nor the drivers of plugins"),
        "known_engines::a_log_driver_that_cannot_log_fails_the_start",
    ),
    cause(
        Step::Create,
        "what an authorization plugin, AppArmor, SELinux or the engine's own runtime refuse",
        never("told by nothing but the attempt"),
        "known_engines::what_the_engine_refuses_for_reasons_of_its_own_fails_the_create",
    ),
    cause(
        Step::Start,
        "an engine that ends, restarts or goes silent",
        never(AFTERWARDS),
        "engine::an_engine_that_restarts_during_a_deploy_ends_it_with_the_truth",
    ),
    // What the image's configuration says.
    cause(
        Step::Start,
        "an image for another platform",
        verified("image::of_platform"),
        "failures::an_engine_that_has_no_such_platform_leaves_the_old_container",
    ),
    cause(
        Step::Create,
        "no command at all",
        verified("process::command"),
        "known_images::an_image_without_a_command_is_refused",
    ),
    cause(
        Step::Start,
        "a command whose first word is empty, or with a NUL byte",
        verified("process::command"),
        "known_images::an_empty_first_word_of_the_command_is_refused",
    ),
    cause(
        Step::Start,
        "a WORKDIR that is not absolute",
        verified("places::working_directory"),
        "known_images::a_relative_working_directory_is_refused",
    ),
    cause(
        Step::Create,
        "a WORKDIR or a VOLUME that no file system takes",
        verified("places::path_problem"),
        "known_images::a_path_that_no_file_system_takes_is_refused",
    ),
    cause(
        Step::Start,
        "a USER with a number that is none",
        verified("process::user"),
        "known_images::a_user_number_out_of_range_is_refused",
    ),
    cause(
        Step::Start,
        "a VOLUME where the engine puts something of its own",
        verified("places::volume"),
        "known_images::a_volume_over_what_the_engine_needs_is_refused",
    ),
    cause(
        Step::Start,
        "a variable without a name, or with a NUL byte",
        verified("process::variables"),
        "known_images::a_variable_that_no_process_can_be_given_is_refused",
    ),
    cause(
        Step::Confirm,
        "a string, or all of them together, that the kernel does not take",
        verified("process::size"),
        "known_images::more_variables_than_the_kernel_takes_are_refused",
    ),
    cause(
        Step::Confirm,
        "a HEALTHCHECK of CMD without a command, which engines crash of",
        verified("health::health_command"),
        "known_engines::a_health_check_that_crashes_the_engine_is_refused",
    ),
    cause(
        Step::Confirm,
        "health is demanded, and the image has no check, or none in time",
        verified("health::health_verdict"),
        "known_images::a_health_check_that_cannot_tell_in_time_is_refused",
    ),
    cause(
        Step::Confirm,
        "health is demanded in no time",
        checked("operation::read"),
        "known::settings_that_no_engine_takes_end_the_start_and_leave_the_container",
    ),
    // What the image's files say.
    cause(
        Step::Start,
        "a USER or group that the image does not know by name",
        never(FILES_OF_THE_IMAGE),
        "known_images::a_user_that_the_image_does_not_know_fails_the_start",
    ),
    cause(
        Step::Start,
        "a program that is not there, cannot be executed, or is for another machine",
        never(FILES_OF_THE_IMAGE),
        "failures::a_program_that_is_not_there_fails_the_start",
    ),
    cause(
        Step::Create,
        "a VOLUME, a WORKDIR or a bind over a file of the image, a VOLUME below /sys",
        never(FILES_OF_THE_IMAGE),
        "known_images::a_volume_over_a_file_of_the_image_fails_the_create",
    ),
    // What the program does.
    cause(
        Step::Confirm,
        "a program that ends with an error: for want of a variable, of memory, of a port that somebody else listens on",
        never(THE_PROGRAM),
        "failures::a_crash_inside_the_window_fails",
    ),
    cause(
        Step::Confirm,
        "a database that does not answer",
        never("databases are not the agent's, by contract"),
        "failures::a_runtime_without_its_database_fails_the_deploy",
    ),
    cause(
        Step::Confirm,
        "a health check that fails",
        never(THE_PROGRAM),
        "failures::health_is_asked_for_when_the_settings_say_so",
    ),
    // What somebody else does.
    cause(
        Step::Create,
        "an image removed after the last look",
        never(
            "somebody else does it after the last look; what is made is made by digest, so that no other image can start",
        ),
        "by_digest::an_image_removed_between_pull_and_create_is_named",
    ),
    cause(
        Step::Create,
        "a name taken after the removal",
        never(AFTERWARDS),
        "strangers::a_name_that_a_stranger_takes_fails_the_create_and_is_told_as_a_strangers",
    ),
    cause(
        Step::Confirm,
        "a new container that somebody removes or replaces",
        never(AFTERWARDS),
        "strangers::a_new_container_that_somebody_removes_is_not_kept_for_docker_logs",
    ),
    cause(
        Step::Confirm,
        "a new container that somebody stops or pauses",
        never(AFTERWARDS),
        "strangers::a_clean_stop_by_hand_is_told_from_a_clean_exit",
    ),
];
