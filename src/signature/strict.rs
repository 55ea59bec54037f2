//! JSON without the freedom to mean two things: a key that is there twice is refused at every depth.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeOwned, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::refusal::Refusal;

/// Reads `bytes`, whose name in a reason is `what`. Which fields may be there, the type says.
///
/// # Errors
/// No JSON, not of the type, or a key twice, escaped or not.
pub fn from_slice<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, Refusal> {
    let unreadable = |error: serde_json::Error| Refusal::unreadable(what, &error);
    // The type's own reader would see a second key only where it knows the first.
    serde_json::from_slice::<NoKeyTwice>(bytes).map_err(unreadable)?;
    serde_json::from_slice(bytes).map_err(unreadable)
}

struct NoKeyTwice;

impl<'de> Deserialize<'de> for NoKeyTwice {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(NoKeyTwice)
    }
}

impl<'de> Visitor<'de> for NoKeyTwice {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self, A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            entries.next_value::<Self>()?;
            if let Some(twice) = keys.replace(key) {
                return Err(A::Error::custom(format_args!(
                    "the key `{twice}` is there twice"
                )));
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_there_twice_is_refused_at_every_depth() {
        for json in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":{"b":[{"c":1,"d":2,"c":3}]}}"#,
            r#"{"tag":"1","t\u0061g":"2"}"#,
            r#"[{"":0,"":0}]"#,
        ] {
            let read = from_slice::<serde_json::Value>("it", json.as_bytes());
            let error = read.expect_err(json).to_string();
            assert!(error.contains("is there twice"), "{error}");
        }
    }

    #[test]
    fn what_holds_each_key_once_is_read() {
        let json = r#"{"a":{"a":null},"b":[true,-1,1.5,18446744073709551615,"\n"],"A":{}}"#;
        let read = from_slice::<serde_json::Value>("it", json.as_bytes()).expect(json);
        assert_eq!(read["b"][4], "\n");
    }

    #[test]
    fn nothing_may_follow_and_no_depth_overflows_the_stack() {
        for json in ["{} {}", "{", "", "\u{feff}{}", &"[".repeat(100_000)] {
            assert!(from_slice::<serde_json::Value>("it", json.as_bytes()).is_err());
        }
    }
}
