//! Whose version the fake engine is, where versions differ in what an agent sees.

/// A version of the engine, with the classic image store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Release {
    /// As Debian 12 has it.
    #[default]
    V20_10,
    /// As Debian's testing release has it.
    V28_5,
    /// As Ubuntu 26.04 has it.
    V29_1,
}

impl Release {
    pub(crate) fn version(self) -> &'static str {
        match self {
            Self::V20_10 => "20.10.24",
            Self::V28_5 => "28.5.2",
            Self::V29_1 => "29.1.3",
        }
    }

    /// The newest API that it speaks.
    pub(crate) fn api(self) -> (u32, u32) {
        match self {
            Self::V20_10 => (1, 41),
            Self::V28_5 => (1, 51),
            Self::V29_1 => (1, 52),
        }
    }

    /// The oldest API that it still speaks.
    pub(crate) fn oldest_api(self) -> (u32, u32) {
        match self {
            Self::V20_10 => (1, 12),
            Self::V28_5 => (1, 24),
            Self::V29_1 => (1, 44),
        }
    }

    /// Whether a stop may be told before the end that it asked for.
    pub(crate) fn tells_stops_first(self) -> bool {
        self != Self::V20_10
    }

    /// What stands before the reason of a start that failed.
    pub(crate) fn failed_start(self) -> &'static str {
        match self {
            Self::V20_10 => "",
            Self::V28_5 | Self::V29_1 => "failed to create task for container: ",
        }
    }
}
