//! Log lines on standard error: one line a record, whatever is in it; priorities for journald.

use std::io::Write;

use env_logger::Builder;
use log::{Level, LevelFilter, Log, Metadata, Record};

/// Starts logging by `RUST_LOG`, `info` by default.
///
/// Only this crate may speak below `info`: at debug and trace, bollard prints the container's environment and HTTP
/// libraries print headers. That bound holds whatever `RUST_LOG` asks for.
pub fn start() {
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let mut builder = Builder::new();
    builder.filter_level(LevelFilter::Info);
    if let Ok(filter) = std::env::var("RUST_LOG") {
        builder.parse_filters(&filter);
    }
    builder.format(move |out, record| {
        let message = one_line(&record.args().to_string());
        if journal {
            writeln!(out, "<{}>{message}", priority(record.level()))
        } else {
            writeln!(
                out,
                "{} {:5} {message}",
                crate::clock::now_rfc3339(),
                record.level()
            )
        }
    });
    let logger = builder.build();
    let most = logger.filter();
    if log::set_boxed_logger(Box::new(Bounded(logger))).is_ok() {
        log::set_max_level(most);
    }
    std::panic::set_hook(Box::new(|panic| {
        // Only a literal message is shown: a formatted one may hold what was being worked on.
        let message = panic
            .payload()
            .downcast_ref::<&'static str>()
            .copied()
            .unwrap_or("(message withheld)");
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        log::error!("panic at {place}: {message}");
    }));
}

struct Bounded(env_logger::Logger);

impl Log for Bounded {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let ours = metadata.target().split("::").next() == Some("deploy_agent");
        (ours || metadata.level() <= Level::Info) && self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.0.log(record);
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

/// A control character could forge a second line, or a terminal's command.
fn one_line(message: &str) -> String {
    message
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// syslog(3) priorities, as `sd-daemon(3)` writes them before a line.
const fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_forge_a_second_line() {
        assert_eq!(one_line("a\n<0>b\u{1b}[2J"), "a\u{fffd}<0>b\u{fffd}[2J");
    }
}
