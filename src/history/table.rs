//! Rows for people, as wide as their terminal.

use std::borrow::Cow;
use std::io::{self, Write};

use super::operation::Entry;
use crate::audit::obeyed_by_terminals;
use crate::domain::DEFAULT_REPOSITORY;

/// Between two columns, and before the lines of a reason.
const GAP: usize = 2;
const INDENT: &str = "    ";
/// A reason is not squeezed into less than this.
const NARROWEST: usize = 20;

struct Column {
    head: &'static str,
    width: usize,
    /// In a narrow terminal the highest goes first; 0 stays.
    dispensable: u8,
    cell: fn(&Entry) -> Cow<'_, str>,
}

const COLUMNS: [Column; 12] = [
    column("TIME (UTC)", 19, 0, |e| time(&e.at).into()),
    column("OPERATION", 9, 4, |e| short_id(&e.operation).into()),
    column("KIND", 8, 1, |e| e.kind.as_str().into()),
    column(IMAGE, 12, 0, |e| or_dash(&e.image)),
    column("DIGEST", 12, 7, |e| shortened(&e.digest)),
    column("REVISION", 12, 9, |e| shortened(&e.revision)),
    column("SIGNED BY", 12, 8, |e| shortened(&e.signature)),
    column(OUTCOME, 12, 0, |e| e.outcome.as_str().into()),
    column("STEP", 12, 5, |e| or_dash(&e.step)),
    column(BY, 16, 6, |e| or_dash(&e.by)),
    column("DURATION", 8, 2, |e| span(e.duration_ms)),
    column("DOWNTIME", 8, 3, |e| match e.down {
        true => "down".into(),
        false => span(e.downtime_ms),
    }),
];
const IMAGE: &str = "IMAGE";
const OUTCOME: &str = "OUTCOME";
const BY: &str = "BY";
/// The columns that become wider when there is room, first come, first served, and how wide: a tag may be that of a
/// commit, and the id of a service token has 39 characters, behind which a `?` may stand.
const WIDEST: [(&str, usize); 2] = [(IMAGE, 40), (BY, 40)];

const fn column(
    head: &'static str,
    width: usize,
    dispensable: u8,
    cell: fn(&Entry) -> Cow<'_, str>,
) -> Column {
    Column {
        head,
        width,
        dispensable,
        cell,
    }
}

pub(super) struct Table {
    columns: Vec<Column>,
    width: Option<usize>,
    colour: bool,
    begun: bool,
}

impl Table {
    pub(super) fn new(width: Option<usize>, colour: bool) -> Self {
        let mut columns = Vec::from(COLUMNS);
        let total =
            |all: &[Column]| all.iter().map(|c| c.width).sum::<usize>() + GAP * (all.len() - 1);
        if let Some(width) = width {
            while total(&columns) > width
                && let Some(most) = columns.iter().map(|c| c.dispensable).max()
                && most > 0
            {
                columns.retain(|c| c.dispensable != most);
            }
        }
        let mut room = width.map_or(usize::MAX, |width| width.saturating_sub(total(&columns)));
        for (head, widest) in WIDEST {
            for column in columns.iter_mut().filter(|c| c.head == head) {
                let more = room.min(widest - column.width);
                column.width += more;
                room -= more;
            }
        }
        Self {
            columns,
            width,
            colour,
            begun: false,
        }
    }

    pub(super) fn row(&mut self, out: &mut impl Write, entry: &Entry) -> io::Result<()> {
        if !std::mem::replace(&mut self.begun, true) {
            self.line(out, |column| (column.head.into(), None))?;
        }
        let whole = self.width.is_none();
        self.line(out, |column| {
            let text = harmless((column.cell)(entry));
            let text = match column.head {
                IMAGE => shown_image(text, whole),
                _ => text,
            };
            let colour = (column.head == OUTCOME && self.colour).then(|| colour(&entry.outcome));
            (text, colour)
        })?;
        self.sentences(out, entry)
    }

    fn line<'t>(
        &'t self,
        out: &mut impl Write,
        cell: impl Fn(&'t Column) -> (Cow<'t, str>, Option<&'static str>),
    ) -> io::Result<()> {
        let mut line = String::new();
        let mut blank = 0;
        for column in &self.columns {
            let (text, colour) = cell(column);
            let text = match self.width {
                Some(_) => fit(&text, column.width),
                None => text,
            };
            line.extend(std::iter::repeat_n(' ', blank));
            match colour {
                Some(colour) => line.extend(["\u{1b}[", colour, "m", &text, "\u{1b}[0m"]),
                None => line.push_str(&text),
            }
            blank = GAP + column.width.saturating_sub(text.chars().count());
        }
        writeln!(out, "{line}")
    }

    /// What does not fit into columns.
    fn sentences(&self, out: &mut impl Write, entry: &Entry) -> io::Result<()> {
        if let Some(reason) = &entry.reason {
            self.sentence(out, reason)?;
        }
        match entry.grace_ms {
            Some(ms) if ms >= 1000 => {
                let cost = in_words(ms);
                self.sentence(
                    out,
                    &format!("the old container did not end on SIGTERM: its grace cost {cost}"),
                )
            }
            Some(_) | None => Ok(()),
        }
    }

    fn sentence(&self, out: &mut impl Write, text: &str) -> io::Result<()> {
        let text = harmless(text.into());
        let room = self.width.map_or(usize::MAX, |w| {
            w.saturating_sub(INDENT.len()).max(NARROWEST)
        });
        let mut line = String::new();
        for word in text.split_whitespace() {
            let length = line.chars().count();
            if length > 0 && length + 1 + word.chars().count() > room {
                writeln!(out, "{INDENT}{line}")?;
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        writeln!(out, "{INDENT}{line}")
    }
}

/// `text` with everything that a terminal would obey spelt out.
pub(super) fn harmless(text: Cow<'_, str>) -> Cow<'_, str> {
    if !text.chars().any(obeyed_by_terminals) {
        return text;
    }
    let mut spelt = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' | '\t' => spelt.push(' '),
            c if obeyed_by_terminals(c) => spelt.extend(c.escape_unicode()),
            c => spelt.push(c),
        }
    }
    spelt.into()
}

fn fit(text: &str, width: usize) -> Cow<'_, str> {
    if text.chars().count() <= width {
        return text.into();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…").into()
}

fn or_dash(text: &Option<String>) -> Cow<'_, str> {
    text.as_deref().unwrap_or("-").into()
}

/// Of the repository that is the default the tag alone, so that the columns stay where they are without a terminal too; of
/// another one, on a terminal, its last part and the tag: what differs from one row to the next.
fn shown_image(image: Cow<'_, str>, whole: bool) -> Cow<'_, str> {
    let default = image.strip_prefix(DEFAULT_REPOSITORY);
    if let Some(tag) = default.and_then(|rest| rest.strip_prefix(':')) {
        return tag.to_owned().into();
    }
    if whole {
        return image;
    }
    match image.rsplit_once('/') {
        Some((_, last)) => last.to_owned().into(),
        None => image,
    }
}

/// The begin of a digest or of a key's fingerprint; a word as it is.
fn shortened(digest: &Option<String>) -> Cow<'_, str> {
    let Some(digest) = digest else {
        return "-".into();
    };
    let hex = digest
        .rsplit_once(':')
        .map_or(digest.as_str(), |(_, hex)| hex);
    hex.chars().take(12).collect::<String>().into()
}

/// Ids begin with the time, so that only their end tells neighbours apart.
fn short_id(id: &str) -> String {
    let count = id.chars().count();
    id.chars().skip(count.saturating_sub(8)).collect()
}

fn time(at: &str) -> String {
    at.chars()
        .take(19)
        .map(|c| if c == 'T' { ' ' } else { c })
        .collect()
}

fn span(ms: Option<u64>) -> Cow<'static, str> {
    ms.map_or_else(|| "-".into(), |ms| in_words(ms).into())
}

/// `850 ms`, `2.5 s`, `1 m 05 s`, as people say it.
pub(super) fn in_words(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => format!("{} m {:02} s", ms / 60_000, ms / 1000 % 60),
    }
}

fn colour(outcome: &str) -> &'static str {
    match outcome {
        "succeeded" => "32",
        "failed" => "31",
        "running" => "36",
        "abandoned" => "2",
        _ => "33",
    }
}
