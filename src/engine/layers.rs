//! What the lines of a pull say of its layers: how many bytes have come, and whether any are expected now.

use std::collections::HashMap;
use std::fmt;

use bollard::models::CreateImageInfo;

/// Bytes of all layers that the engine has announced so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PullProgress {
    /// Downloaded.
    pub current: u64,
    /// To download.
    pub total: u64,
    /// Layers of which no byte is missing.
    pub complete: u64,
    /// All layers.
    pub layers: u64,
}

impl PullProgress {
    /// How far it came, for whoever reads that it came no further.
    #[must_use]
    pub fn how_far(&self) -> String {
        match self.layers {
            0 => "nothing had come".to_owned(),
            layers => format!("{self}, {} of {layers} layers, had come", self.complete),
        }
    }
}

/// `43 %, 120 of 280 MB`.
impl fmt::Display for PullProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self
            .current
            .saturating_mul(100)
            .checked_div(self.total)
            .unwrap_or(0)
            .min(100);
        let (current, total) = (self.current / 1_000_000, self.total / 1_000_000);
        write!(f, "{percent} %, {current} of {total} MB")
    }
}

/// The layers by id; the engine reports each for itself.
#[derive(Default)]
pub(super) struct Layers(HashMap<String, Layer>);

#[derive(Default)]
struct Layer {
    downloaded: PullProgress,
    expects_bytes: bool,
    /// Its last line: words and numbers.
    told: (String, Option<PullProgress>),
}

/// Whether a line tells something, or what the one before it told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// Something new.
    News,
    /// More bytes have come, or are known to come.
    Bytes,
    /// Some engines repeat their lines while nothing moves.
    Nothing,
}

impl Layers {
    /// Takes one line in.
    pub(super) fn take(&mut self, line: &CreateImageInfo) -> Told {
        let (Some(id), Some(status)) = (&line.id, &line.status) else {
            return Told::News;
        };
        if !self.0.contains_key(id) && expects_bytes(status).is_none() {
            // Not of a layer: the line that names the tag, say.
            return Told::News;
        }
        let layer = self.0.entry(id.clone()).or_default();
        let told = (status.clone(), numbers(line));
        if layer.told == told {
            return Told::Nothing;
        }
        layer.told = told;
        // Words of engines to come: bytes are expected only where it is said.
        layer.expects_bytes = expects_bytes(status).unwrap_or(false);
        match (status.as_str(), layer.told.1) {
            ("Downloading", Some(downloaded)) => {
                layer.downloaded = downloaded;
                Told::Bytes
            }
            _ => Told::News,
        }
    }

    /// Bytes of all layers together.
    pub(super) fn progress(&self) -> PullProgress {
        let add = |sum: PullProgress, layer: &Layer| PullProgress {
            current: sum.current.saturating_add(layer.downloaded.current),
            total: sum.total.saturating_add(layer.downloaded.total),
            complete: sum.complete + u64::from(is_complete(&layer.told.0)),
            layers: sum.layers + 1,
        };
        self.0.values().fold(PullProgress::default(), add)
    }

    /// Whether bytes should come now: a layer downloads, or nothing is known of any yet. An engine says nothing while
    /// layers wait for a place among its downloads, and while it checks and unpacks what it has.
    pub(super) fn expect_bytes(&self) -> bool {
        self.0.is_empty() || self.0.values().any(|layer| layer.expects_bytes)
    }
}

/// By the engine's words for a layer; none for other words.
fn expects_bytes(status: &str) -> Option<bool> {
    match status {
        // The first is said until the first byte has come, unless the layer has to wait.
        "Pulling fs layer" | "Downloading" => Some(true),
        "Waiting" | "Verifying Checksum" | "Download complete" | "Extracting" | "Pull complete"
        | "Already exists" => Some(false),
        _ if status.starts_with("Retrying in ") => Some(true),
        _ => None,
    }
}

/// Whether all bytes of a layer are here, by the engine's words.
fn is_complete(status: &str) -> bool {
    matches!(
        status,
        "Verifying Checksum"
            | "Download complete"
            | "Extracting"
            | "Pull complete"
            | "Already exists"
    )
}

fn numbers(line: &CreateImageInfo) -> Option<PullProgress> {
    let detail = line.progress_detail.as_ref()?;
    let unsigned = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
    Some(PullProgress {
        current: unsigned(detail.current)?,
        total: unsigned(detail.total)?,
        ..PullProgress::default()
    })
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;

    use super::*;

    fn line(id: &str, status: &str, numbers: Option<(i64, i64)>) -> CreateImageInfo {
        CreateImageInfo {
            id: Some(id.to_owned()),
            status: Some(status.to_owned()),
            progress_detail: numbers.map(|(current, total)| ProgressDetail {
                current: Some(current),
                total: Some(total),
            }),
            ..CreateImageInfo::default()
        }
    }

    #[test]
    fn bytes_are_expected_until_every_layer_waits_or_is_there() {
        let mut layers = Layers::default();
        assert!(layers.expect_bytes(), "nothing is known yet");
        layers.take(&line("1.0.0", "Pulling from u/x", None));
        assert!(layers.expect_bytes(), "that was no layer");
        for (id, status, expected) in [
            ("a", "Pulling fs layer", true),
            ("b", "Pulling fs layer", true),
            ("b", "Waiting", true),
            ("a", "Downloading", true),
            ("a", "Verifying Checksum", false),
            ("b", "Downloading", true),
            ("a", "Download complete", true),
            ("a", "Extracting", true),
            ("b", "Retrying in 5 seconds", true),
            ("b", "Download complete", false),
            ("a", "Pull complete", false),
            ("b", "Some word to come", false),
            ("c", "Already exists", false),
        ] {
            layers.take(&line(id, status, None));
            assert_eq!(layers.expect_bytes(), expected, "{id} {status}");
        }
    }

    #[test]
    fn a_line_that_repeats_the_last_one_tells_nothing() {
        let mut layers = Layers::default();
        let mut take = |status, numbers| layers.take(&line("a", status, numbers));
        assert_eq!(take("Downloading", Some((1, 9))), Told::Bytes);
        assert_eq!(take("Downloading", Some((1, 9))), Told::Nothing);
        assert_eq!(take("Downloading", Some((2, 9))), Told::Bytes);
        assert_eq!(take("Extracting", Some((2, 9))), Told::News);
        assert_eq!(take("Extracting", Some((2, 9))), Told::Nothing);
        assert_eq!(take("Extracting", Some((3, 9))), Told::News);
        let downloaded = PullProgress {
            current: 2,
            total: 9,
            complete: 1,
            layers: 1,
        };
        assert_eq!(layers.progress(), downloaded);
    }

    #[test]
    fn how_far_a_pull_came_is_told_in_bytes_and_layers() {
        let mut layers = Layers::default();
        assert_eq!(layers.progress().how_far(), "nothing had come");
        layers.take(&line("a", "Pulling fs layer", None));
        layers.take(&line("b", "Already exists", None));
        layers.take(&line("a", "Downloading", Some((43_000_000, 100_000_000))));
        let far = layers.progress().how_far();
        assert_eq!(far, "43 %, 43 of 100 MB, 1 of 2 layers, had come");
    }
}
