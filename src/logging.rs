//! Log lines on standard error: one line a record, whatever is in it; priorities for journald.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use env_logger::Builder;
use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::domain::blank_secrets;

/// What the HTTP framework says of a broken request is an error to it, one line each: any process of the host could
/// push everything else out of the journal. So one is shown, the others are counted.
const BROKEN_REQUESTS_FROM: &str = "actix_http";
/// How often their count is logged.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

/// Since the last report.
static BROKEN_REQUESTS: AtomicU64 = AtomicU64::new(0);

/// Logs once a minute how many requests were broken, if there was more than the one that is shown. Never returns;
/// dropping it only ends the reports.
pub async fn report_broken_requests() {
    loop {
        tokio::time::sleep(REPORT_INTERVAL).await;
        let count = BROKEN_REQUESTS.swap(0, Ordering::Relaxed);
        if count > 1 {
            log::warn!("{count} broken requests in the last minute");
        }
    }
}

/// Starts logging by this filter (`RUST_LOG` of the settings), `info` by default.
///
/// Only this crate may speak below `info`: at debug and trace, bollard prints the container's environment and HTTP
/// libraries print headers. That bound holds whatever `RUST_LOG` asks for.
pub fn start(filter: Option<String>) {
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let mut builder = Builder::new();
    builder.filter_level(LevelFilter::Info);
    // The library prints what it cannot read of a filter. Settings with such a one are refused, by name.
    if let Some(filter) = filter.filter(|filter| blank_secrets(filter) == *filter) {
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
        let ours = crate_of(metadata) == "deploy_agent";
        (ours || metadata.level() <= Level::Info) && self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        if crate_of(record.metadata()) != BROKEN_REQUESTS_FROM {
            self.0.log(record);
        } else if BROKEN_REQUESTS.fetch_add(1, Ordering::Relaxed) == 0 {
            let what = record.args();
            log::warn!("a broken request: {what}; more of them are counted for a minute");
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

fn crate_of<'a>(metadata: &Metadata<'a>) -> &'a str {
    metadata.target().split("::").next().unwrap_or_default()
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
