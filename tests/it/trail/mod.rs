//! The audit trail by itself: what it refuses, what it survives, what it shows. `fixture` has the directory, `events`
//! what is written, `small_disk` the disk that fills.
//!
//! What each part of the trail is there for was tried by taking it away. Each of these changes fails at least the test
//! beside it:
//!
//! | what is changed | test that fails |
//! |---|---|
//! | `verify` does not compare `prev` | `edits::every_changed_byte_of_one_file_is_found` |
//! | `verify` does not compare the number | `recovery::a_number_that_a_forger_left_out_is_found_though_the_chain_agrees` |
//! | `verify` does not read the head | `verify::a_cut_tail_is_found_through_the_head_and_through_what_is_expected` |
//! | `verify` does not compare the head's hash, or takes one that says nothing | `verify::another_record_in_the_place_of_the_noted_or_expected_one_is_found`, `recovery::a_head_that_says_nothing_is_recorded_at_the_next_start_and_written_anew` |
//! | `verify` does not look for `--expect` | `verify::an_anchor_noted_elsewhere_finds_a_trail_that_was_written_anew` |
//! | `verify --anchors` compares no hash, or takes a missing record for proven | `anchors` |
//! | `verify` does not compare the ledger, or what was kept aside | `verify::every_missing_or_changed_file_is_found`, `verify::what_was_kept_aside_must_stay_what_it_was` |
//! | `verify` forgives what an agent recorded | `verify::damage_that_an_agent_recorded_stays_damage` |
//! | `verify` takes a file's word for where it goes on | `sidecars::a_file_that_goes_on_after_another_than_it_says_is_found_though_the_chain_agrees` |
//! | `verify` takes an empty file, or does without the newest | `verify::a_file_too_many_and_a_newest_file_too_few_are_found` |
//! | a trail begins anywhere | `edits::every_removed_repeated_or_exchanged_line_is_found` |
//! | rejections take the reserve of what is under way | `full_disk::a_rejection_leaves_what_was_set_aside_to_what_is_under_way` |
//! | a start does not compare with the head | `recovery::a_cut_tail_is_recorded_at_the_next_start_and_stays_to_be_seen`, `recovery::the_last_record_written_anew_is_recorded_at_the_next_start` |
//! | a start does not compare `prev`, or the number | `recovery::a_changed_line_is_recorded_once_and_the_agent_goes_on`, `recovery::a_number_that_a_forger_left_out_is_found_though_the_chain_agrees` |
//! | torn bytes are dropped, or not recorded | `recovery::a_write_torn_at_any_byte_is_kept_aside_and_recorded` |
//! | damage is recorded again at every start | `recovery::a_changed_line_is_recorded_once_and_the_agent_goes_on` |
//! | a newer format is opened | `recovery::a_newer_agents_trail_is_not_guessed_at` |
//! | the ledger takes the last identity of a tag | `ledger::the_ledger_keeps_the_first_identity_of_a_tag_also_after_a_restart` |
//! | a lost ledger is not rebuilt | `ledger::a_ledger_file_that_was_changed_or_taken_is_rebuilt_from_the_trail_and_recorded` |
//! | a rotation forgets the ledger, or what is under way | `rotation::ledger_and_open_operations_survive_without_reading_old_files` |
//! | no reserve is set aside | `full_disk::an_operation_begun_before_the_disk_was_full_is_recorded_to_its_end` |
//! | a stop does not take the reserve, or not both halves of it | `reserve::a_stop_takes_the_reserve_and_what_finds_no_room_is_owed` |
//! | what is owed is forgotten, or written behind what came later | `reserve::a_stop_takes_the_reserve_and_what_finds_no_room_is_owed` |
//! | a reserve of holes counts, or a link in its place | `reserve::what_is_no_reserve_of_blocks_is_made_one_at_the_start` |
//! | a start on a full disk fails, or never ends waiting | `reserve::a_trail_that_finds_no_room_at_its_start_is_opened_when_there_is_some` |
//! | the probe says yes to everything | `writing::probe_refuses_a_trail_that_somebody_moved_replaced_or_wrote_to` |
//! | a failed write is not taken back | `full_disk::a_record_that_does_not_fit_leaves_nothing_and_the_next_tries_again` |
//! | text has no bound, or is not escaped | `bounds::long_text_is_cut_at_a_letter_and_shows_that_it_is`, `bounds::hostile_text_moves_no_cursor_forges_no_line_and_loses_nothing` |
//! | rejections have no bound, or are not counted | `bounds::a_flood_of_rejections_leaves_few_records_and_an_exact_count` |
//! | modes are not looked at | `directory::what_others_may_reach_is_refused_until_it_is_the_agents_alone` |
//! | the stamp of the environment is not compared | `directory::another_environments_directory_is_refused` |
//! | the lock is not taken | `directory::only_one_agent_has_the_directory_and_it_is_free_after_close` |
//! | a link is followed | `directory::a_link_a_directory_or_a_file_for_the_directory_is_no_trail` |
//! | a ledger, bytes kept aside or the file before may be named with `/` | `sidecars::a_ledger_elsewhere_is_refused_though_it_is_the_right_one`, `sidecars::bytes_kept_aside_elsewhere_are_refused_though_they_are_the_right_ones`, `sidecars::the_file_before_is_not_looked_for_elsewhere` |
//! | `check` does not look at a file that a start opens, or at the room | `rehearsal` |
//! | a reader opens whatever stands in the place of a file | `odd_files` |

mod anchors;
mod bounds;
mod by_name;
mod crash;
mod directory;
mod edits;
mod events;
pub mod fixture;
mod follow;
mod format;
mod full_disk;
mod history;
mod ledger;
mod odd_files;
mod recovery;
mod rehearsal;
mod reserve;
mod rotation;
mod sidecars;
pub mod small_disk;
mod speed;
mod verify;
mod writing;
