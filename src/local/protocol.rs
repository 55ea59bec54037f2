//! The lines of the operator's socket. Both ends are this program, of one version or of two that follow each other:
//! what one does not know, it refuses.

use serde::{Deserialize, Serialize};

use crate::overview::Overview;

/// What may be asked for. There is no word here for the runtime container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// What is the case.
    Status {},
    /// Fetch an image ahead of a deploy.
    Pull {
        /// A tag, or the whole reference.
        image: String,
    },
    /// List the images that are not needed, or remove them.
    Prune {
        /// How many of those that ran last are kept.
        keep: usize,
        /// Remove them.
        remove: bool,
    },
    /// Refuse deploys.
    Freeze {
        /// Why, in one line.
        reason: String,
        /// RFC 3339, or a span.
        until: String,
    },
    /// Take deploys again.
    Thaw {},
}

/// What is answered: any number of lines of progress, then one of the others.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// It goes on.
    Progress {
        /// For a person.
        text: String,
    },
    /// To a status.
    Status {
        /// What is the case.
        overview: Box<Overview>,
    },
    /// To a prune that removes nothing.
    Images {
        /// What it would remove.
        images: Vec<ImageRow>,
    },
    /// An operation ended.
    Ended {
        /// How.
        succeeded: bool,
        /// In a sentence.
        text: String,
        /// Its id in the trail; none if it was not admitted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        operation: Option<String>,
        /// `SEQ:HASH` of the record of its outcome.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        audit_head: Option<String>,
        /// Names of images that are gone.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        removed: Vec<String>,
    },
    /// No operation was made of it.
    Refused {
        /// Why.
        text: String,
    },
}

/// An image that is not needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRow {
    /// Its name on the host.
    pub reference: String,
    /// Bytes, layers that others share included.
    pub bytes: u64,
    /// When it last ran, RFC 3339; none of what has lost its tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_ran_at: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_word_for_the_runtime_and_nothing_unknown_is_taken() {
        for line in [
            r#"{"command":"deploy","image":"r:1"}"#,
            r#"{"command":"stop"}"#,
            r#"{"command":"start"}"#,
            r#"{"command":"restart"}"#,
            r#"{"command":"Status"}"#,
            r#"{"command":"status","image":"r:1"}"#,
            r#"{"command":"thaw","deploy":true}"#,
            r#"{"command":"pull","image":"r:1","start":true}"#,
            r#"{"command":["status"]}"#,
            r#"[]"#,
            "",
        ] {
            assert!(serde_json::from_str::<Command>(line).is_err(), "{line}");
        }
        let line = r#"{"command":"prune","keep":5,"remove":false}"#;
        let parsed: Command = serde_json::from_str(line).expect("a prune");
        let prune = Command::Prune {
            keep: 5,
            remove: false,
        };
        assert_eq!(parsed, prune);
    }
}
