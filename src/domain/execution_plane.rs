//! Which execution planes the runtime of this host may be started with.

use std::fmt;

use thiserror::Error;

/// The plane that trades nothing, always allowed.
const PAPER: &str = "paper";

/// What `ALLOW_EXECUTION_PLANE` allows `EXECUTION_PLANE` of `runtime.env` to name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedPlanes {
    /// `true`: any plane.
    Any,
    /// `false` or a list: one of these, or none named at all.
    Only(Vec<String>),
}

/// A plane that is not allowed here, or a list that makes no sense.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PlaneError {
    /// The setting itself.
    #[error(
        "must be true, false (in this spelling alone) or a comma list of plane names of [a-zA-Z0-9_.-]"
    )]
    Setting,
    /// The plane that the runtime would get.
    #[error(
        "EXECUTION_PLANE of runtime.env names a plane that is not allowed here: ALLOW_EXECUTION_PLANE allows {allowed}"
    )]
    NotAllowed {
        /// What is allowed.
        allowed: String,
    },
}

impl AllowedPlanes {
    /// Parses the value of `ALLOW_EXECUTION_PLANE`.
    ///
    /// # Errors
    /// An empty list, a name outside `[a-zA-Z0-9_.-]`, or a switch in another spelling (`TRUE`, `1`, `yes`).
    pub fn parse(text: &str) -> Result<Self, PlaneError> {
        match text {
            "true" => return Ok(Self::Any),
            "false" => return Ok(Self::Only(vec![PAPER.to_owned()])),
            _ => {}
        }
        // A switch in another spelling is no name of a plane: it would then refuse every deploy.
        let switch = |name: &str| {
            ["true", "false", "yes", "no", "on", "off", "1", "0"]
                .iter()
                .any(|switch| name.eq_ignore_ascii_case(switch))
        };
        let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        let valid = |name: &String| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
        };
        if names.iter().all(valid) && !names.iter().any(|name| switch(name)) {
            Ok(Self::Only(names))
        } else {
            Err(PlaneError::Setting)
        }
    }

    /// Checks the plane that `runtime.env` names; naming none is always allowed.
    ///
    /// # Errors
    /// The plane is not on the list. The message does not quote it: no value of `runtime.env` is repeated.
    pub fn check(&self, named: Option<&str>) -> Result<(), PlaneError> {
        match (self, named) {
            (Self::Any, _) | (_, None) => Ok(()),
            (Self::Only(list), Some(plane)) if list.iter().any(|allowed| allowed == plane) => {
                Ok(())
            }
            (Self::Only(_), Some(_)) => Err(PlaneError::NotAllowed {
                allowed: self.to_string(),
            }),
        }
    }
}

impl fmt::Display for AllowedPlanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any plane"),
            Self::Only(list) => f.write_str(&list.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn false_allows_paper_or_none_and_nothing_else() {
        let allowed = AllowedPlanes::parse("false").expect("valid");
        assert!(allowed.check(None).is_ok());
        assert!(allowed.check(Some("paper")).is_ok());
        assert!(allowed.check(Some("live")).is_err());
        assert!(
            allowed.check(Some("")).is_err(),
            "an empty plane is a plane nobody allowed"
        );
    }

    #[test]
    fn a_list_allows_its_names_exactly() {
        let allowed = AllowedPlanes::parse("paper, live").expect("valid");
        assert!(allowed.check(Some("live")).is_ok());
        assert!(allowed.check(Some("LIVE")).is_err());
        assert!(
            AllowedPlanes::parse("true")
                .expect("valid")
                .check(Some("anything"))
                .is_ok()
        );
        assert_eq!(AllowedPlanes::parse("a,,b"), Err(PlaneError::Setting));
        assert_eq!(AllowedPlanes::parse(""), Err(PlaneError::Setting));
        for switch in [
            "TRUE",
            "False",
            "1",
            "0",
            "yes",
            "No",
            "on",
            "OFF",
            "paper,true",
        ] {
            assert_eq!(
                AllowedPlanes::parse(switch),
                Err(PlaneError::Setting),
                "{switch}"
            );
        }
    }
}
