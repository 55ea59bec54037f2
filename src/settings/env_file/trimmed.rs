//! Text without the blanks around it.

/// Text whose trailing blanks are taken off at the end, but for what was quoted or escaped.
#[derive(Default)]
pub(super) struct Trimmed {
    bytes: Vec<u8>,
    /// Where the blanks at the end begin.
    blanks: Option<usize>,
}

impl Trimmed {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn push(&mut self, byte: u8) {
        if !blank(byte) {
            self.blanks = None;
        } else if self.blanks.is_none() {
            self.blanks = Some(self.bytes.len());
        }
        self.bytes.push(byte);
    }

    /// What is there so far stays, blanks at its end included.
    pub(super) fn keep_blanks(&mut self) {
        self.blanks = None;
    }

    /// What was escaped or quoted does not look like a blank.
    pub(super) fn push_kept(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// Everything but the blanks at the end; nothing is left.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.bytes);
        if let Some(blanks) = self.blanks.take() {
            bytes.truncate(blanks);
        }
        bytes
    }
}

/// What systemd takes for a blank.
pub(super) const fn blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
