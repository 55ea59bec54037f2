//! Reads the records of a trail one by one, while an agent may be writing it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::audit::trail_files;

pub(super) struct Reader {
    path: PathBuf,
    files: VecDeque<PathBuf>,
    current: Option<BufReader<File>>,
    /// A line whose newline has not come yet.
    part: Vec<u8>,
}

impl Reader {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut reader = Self {
            path: path.to_owned(),
            files: trail_files(path)?.into(),
            current: None,
            part: Vec::new(),
        };
        reader.next_file()?;
        Ok(reader)
    }

    /// The next record; none at the end of what is there now. What is no record is passed over:
    /// `verify` is who tells of it.
    pub(super) fn next(&mut self) -> io::Result<Option<Value>> {
        loop {
            let Some(current) = &mut self.current else {
                return Ok(None);
            };
            let read = current.read_until(b'\n', &mut self.part)?;
            if self.part.last() == Some(&b'\n') {
                let line = std::mem::take(&mut self.part);
                if let Ok(record) = serde_json::from_slice(&line) {
                    return Ok(Some(record));
                }
            } else if read == 0 && !self.next_file()? {
                return Ok(None);
            }
        }
    }

    /// Goes to the next file; false when this was the newest.
    fn next_file(&mut self) -> io::Result<bool> {
        let Some(next) = self.files.pop_front() else {
            return Ok(false);
        };
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", next.display()));
        self.part.clear();
        self.current = Some(BufReader::new(File::open(&next).map_err(named)?));
        Ok(true)
    }

    /// After a rotation the newest file is another one; the old one has been read to its end.
    pub(super) fn reopen_if_rotated(&mut self) -> io::Result<()> {
        let newest = trail_files(&self.path)?.pop();
        let (Some(newest), Some(current)) = (newest, &self.current) else {
            return Ok(());
        };
        let meta = match std::fs::metadata(&newest) {
            Ok(meta) => meta,
            // Between the two renames of a rotation.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if current.get_ref().metadata()?.ino() != meta.ino() {
            self.files.push_back(newest);
        }
        Ok(())
    }
}
