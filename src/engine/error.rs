//! What the engine's failures mean to an operation. Answers first: did it surely not happen, or may it have?

use std::error::Error as _;
use std::io::ErrorKind;
use std::time::Duration;

use thiserror::Error;

use super::tls;
use crate::domain::{blank_secrets_but_ids, whole_words};

/// The longest piece of an engine's or registry's own words that is passed on.
const LONGEST_QUOTE: usize = 300;

/// What of them is read at all.
const LONGEST_MESSAGE: usize = 4 * 1024;

/// How a connection ends that the other side has closed.
const RESETS: [ErrorKind; 3] = [
    ErrorKind::ConnectionReset,
    ErrorKind::BrokenPipe,
    ErrorKind::UnexpectedEof,
];

/// A failed call, with what is known about its effect.
#[derive(Debug, Clone, Error)]
#[error("{fault}")]
pub struct EngineError {
    /// What went wrong.
    pub fault: EngineFault,
    /// Whether the call may have taken effect, or may still do so.
    pub effect: Effect,
}

/// Whether a failed call changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It surely did not happen.
    None,
    /// The answer was lost, and an inspect could not tell.
    Unknown,
}

/// What went wrong with a call. Texts are bounded and hold no control characters.
#[derive(Debug, Clone, Error)]
pub enum EngineFault {
    /// No connection: the engine is absent, or `DOCKER_HOST` is wrong.
    #[error("the Docker engine cannot be reached")]
    Unreachable,
    /// No connection, because one side does not trust or understand the other's TLS; names the file to look at.
    #[error("the Docker engine cannot be reached: {0}")]
    Untrusted(String),
    /// The engine, or a registry through it, said no.
    #[error("{message}")]
    Refused {
        /// HTTP status of the engine; 200 for an error inside a pull's stream.
        status: u16,
        /// The engine's words.
        message: String,
    },
    /// No answer in time.
    #[error("no answer from the Docker engine within {} s", .0.as_secs())]
    Deadline(Duration),
    /// The pull made no progress for this long.
    #[error("the pull made no progress for {} s", .0.as_secs())]
    Stalled(Duration),
    /// The connection broke, or the answer made no sense.
    #[error("the answer of the Docker engine was lost or not understood")]
    BrokenAnswer,
    /// The engine's answer does not say what the step needs to know.
    #[error("{0}")]
    Unproven(String),
}

impl EngineError {
    /// A failure that changed nothing.
    pub(super) fn without_effect(fault: EngineFault) -> Self {
        Self {
            fault,
            effect: Effect::None,
        }
    }

    /// The failure of a question. An engine that hangs up before it says a word is as good as absent.
    pub(super) fn of_a_question(error: bollard::errors::Error) -> Self {
        match hung_up(&error) {
            true => Self::without_effect(EngineFault::Unreachable),
            false => Self::from(error).proven_without_effect(),
        }
    }

    /// A deadline that ran out while the call may go on in the engine.
    #[must_use]
    pub fn deadline(after: Duration) -> Self {
        Self {
            fault: EngineFault::Deadline(after),
            effect: Effect::Unknown,
        }
    }

    /// The same without what these words of the caller's blank in it.
    pub(super) fn in_words(mut self, blank: impl FnOnce(&str) -> String) -> Self {
        if let EngineFault::Refused { message, .. } = &mut self.fault {
            *message = blank(message);
        }
        self
    }

    /// The same failure after an inspect showed that nothing happened.
    pub(super) fn proven_without_effect(self) -> Self {
        Self {
            effect: Effect::None,
            ..self
        }
    }

    /// Whether there was no connection to the engine.
    pub(super) fn is_unreachable(&self) -> bool {
        matches!(
            self.fault,
            EngineFault::Unreachable | EngineFault::Untrusted(_)
        )
    }

    /// Whether there was no connection, for no reason that is known, or no word on it in time.
    pub(super) fn is_silence(&self) -> bool {
        matches!(
            self.fault,
            EngineFault::Unreachable | EngineFault::Deadline(_)
        )
    }

    /// Whether the engine answered at all.
    pub(super) fn answered(&self) -> bool {
        matches!(self.fault, EngineFault::Refused { .. })
    }

    /// Whether the engine said that there is no such container. A bare 404 may come from anything on the way.
    pub(super) fn says_absent(&self) -> bool {
        self.says("no such container")
    }

    /// Whether the engine said that it does not hold the image.
    pub(super) fn says_no_image(&self) -> bool {
        self.says("no such image")
    }

    /// Whether the engine met, while it answered, something that was removed at that moment: the store of containerd fails a
    /// whole list for it.
    pub(super) fn says_removed_meanwhile(&self) -> bool {
        self.says("content digest")
    }

    fn says(&self, words: &str) -> bool {
        match &self.fault {
            EngineFault::Refused {
                status: 404,
                message,
            } => message.to_ascii_lowercase().contains(words),
            _ => false,
        }
    }

    /// Whether the engine answered with this status.
    pub(super) fn is_status(&self, code: u16) -> bool {
        matches!(self.fault, EngineFault::Refused { status, .. } if status == code)
    }
}

impl From<bollard::errors::Error> for EngineError {
    fn from(error: bollard::errors::Error) -> Self {
        use bollard::errors::Error as Bollard;
        log::debug!("engine call failed: {}", variant(&error));
        if let Some(problem) = tls::problem(&error) {
            return Self::without_effect(EngineFault::Untrusted(problem));
        }
        let (fault, effect) = match error {
            // A 4xx is a refusal; behind a 5xx the engine may have done half of it.
            Bollard::DockerResponseServerError {
                status_code,
                message,
            } => {
                let effect = if status_code < 500 {
                    Effect::None
                } else {
                    Effect::Unknown
                };
                (
                    EngineFault::Refused {
                        status: status_code,
                        message: quote(&message),
                    },
                    effect,
                )
            }
            Bollard::DockerStreamError { error } => (
                EngineFault::Refused {
                    status: 200,
                    message: quote(&error),
                },
                Effect::None,
            ),
            Bollard::SocketNotFoundError(_) | Bollard::UnsupportedURISchemeError { .. } => {
                (EngineFault::Unreachable, Effect::None)
            }
            Bollard::HyperLegacyError { err } if err.is_connect() => {
                (EngineFault::Unreachable, Effect::None)
            }
            // Bollard's enum is foreign and grows: whatever else it says, no answer was understood.
            _ => (EngineFault::BrokenAnswer, Effect::Unknown),
        };
        Self { fault, effect }
    }
}

/// Whether the connection ended before a byte of an answer had come.
fn hung_up(error: &bollard::errors::Error) -> bool {
    let bollard::errors::Error::HyperLegacyError { err } = error else {
        return false;
    };
    let mut cause = err.source();
    while let Some(found) = cause {
        let cut = found.downcast_ref::<hyper::Error>();
        let reset = found.downcast_ref::<std::io::Error>();
        if cut.is_some_and(hyper::Error::is_incomplete_message)
            || reset.is_some_and(|reset| RESETS.contains(&reset.kind()))
        {
            return true;
        }
        cause = found.source();
    }
    false
}

/// The error's kind without its content: bodies may quote the container's environment.
fn variant(error: &bollard::errors::Error) -> String {
    let debug = format!("{error:?}");
    debug
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric())
        .collect()
}

/// Foreign words on one line of bounded length, without what looks like a secret: a registry may hand back what it was
/// sent. Cut between two words only, because half of a secret would not be known for one by whoever looks for the whole.
fn quote(message: &str) -> String {
    let flat: String = message
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let flat = blank_secrets_but_ids(whole_words(&flat, LONGEST_MESSAGE));
    let flat = flat.trim();
    if flat.is_empty() {
        return "the Docker engine refused without saying why".to_owned();
    }
    match whole_words(flat, LONGEST_QUOTE) {
        whole if whole.len() == flat.len() => whole.to_owned(),
        cut => format!("{cut}…"),
    }
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn an_engines_words_are_one_line_of_bounded_length_without_secrets() {
        assert_eq!(quote(" a\n\tb "), "a  b");
        let said = quote("denied: \"password\":\"hunter22\" of postgres://u:hunter23@h/db");
        assert!(
            !said.contains("hunter") && said.starts_with("denied: "),
            "{said}"
        );
    }

    /// Half of a secret is not found any more by whoever knows the whole.
    #[test]
    fn a_long_text_is_cut_between_two_words() {
        for length in 250..310 {
            let said = quote(&format!(
                "{} theSecretOfSomebody {}",
                "x".repeat(length),
                "y ".repeat(99)
            ));
            let whole = said.contains("theSecretOfSomebody");
            assert!(whole || !said.contains("theS"), "{said}");
        }
        assert_eq!(quote(&"x".repeat(400)), "…");
    }
}
