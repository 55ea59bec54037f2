//! What one file declares, imports and names.

use super::tokens::{Token, tokens};

/// `use a::b::{c as d, *}` makes two: `a::b::c` under the name `d`, and all of `a::b`.
#[derive(Clone, Debug, PartialEq)]
pub struct Import {
    /// As it is written, from its first segment.
    pub path: Vec<String>,
    /// The name here; nothing for a glob.
    pub name: Option<String>,
    /// Whether the file hands it on (`pub use`, `pub(crate) use`).
    pub handed_on: bool,
}

/// What one file declares, imports and names.
#[derive(Debug, Default)]
pub struct Scan {
    /// `mod name;`
    pub children: Vec<String>,
    /// Names of the items that stand in this file.
    pub items: Vec<String>,
    pub imports: Vec<Import>,
    /// Paths in code; a single segment when a name stands alone and is a type, or is called.
    pub paths: Vec<Vec<String>>,
}

/// Reads one file.
///
/// # Panics
/// On a module with a body that is no test: paths inside it would be misread, and `src` has none.
pub fn scan(file: &str, text: &str) -> Scan {
    let tokens = tokens(text);
    let mut scan = Scan::default();
    let mut depth = 0;
    let mut at = 0;
    while at < tokens.len() {
        let word = tokens[at].word().unwrap_or_default();
        let next = tokens.get(at + 1);
        match &tokens[at] {
            Token::Sign('{') => depth += 1,
            Token::Sign('}') => depth -= 1,
            _ => {}
        }
        if word == "use" && starts_item(&tokens[..at]) {
            at += imports(&tokens, at, &mut scan.imports);
            continue;
        }
        if word == "mod"
            && let Some(Token::Word(name)) = next
        {
            assert!(
                tokens.get(at + 2).is_some_and(|sign| sign.is(';')),
                "{file}: the module {name} has a body; give it a file"
            );
            scan.children.push(name.clone());
            at += 3;
            continue;
        }
        if depth == 0
            && let Some(name) = declared(&tokens[at..])
        {
            scan.items.push(name);
        }
        at += match path(&tokens, at) {
            Some((path, length)) => {
                scan.paths.push(path);
                length
            }
            None => 1,
        };
    }
    scan
}

/// Whether what stands before lets an item begin here: `use` is also the word of a capture list, `impl … use<…>`.
fn starts_item(before: &[Token]) -> bool {
    match before.last() {
        None => true,
        Some(Token::Word(word)) => word == "pub",
        Some(Token::Sign(sign)) => matches!(sign, ';' | '{' | '}' | ']' | ')'),
        Some(Token::Path) => false,
    }
}

fn declared(tokens: &[Token]) -> Option<String> {
    let kind = tokens.first()?.word()?;
    let at = match kind {
        "macro_rules" => 2,
        "struct" | "enum" | "trait" | "fn" | "const" | "static" | "type" | "union" => 1,
        _ => return None,
    };
    let name = tokens.get(at)?.word()?;
    let more = matches!(name, "fn" | "unsafe" | "async" | "mut");
    (!more).then(|| name.to_owned())
}

/// Takes the `use` at this place apart, and tells how many tokens it has.
fn imports(tokens: &[Token], at: usize, found: &mut Vec<Import>) -> usize {
    let length = tokens[at..]
        .iter()
        .position(|token| token.is(';'))
        .expect("a `use` ends")
        + 1;
    let before = tokens[..at].last();
    let handed_on = before.is_some_and(|token| token.word() == Some("pub") || token.is(')'));
    tree(&tokens[at + 1..at + length - 1], &[], handed_on, found);
    length
}

fn tree(tokens: &[Token], prefix: &[String], handed_on: bool, found: &mut Vec<Import>) {
    let mut path = prefix.to_vec();
    let mut name = None;
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            Token::Sign('{') => {
                for branch in branches(&tokens[at + 1..tokens.len() - 1]) {
                    tree(branch, &path, handed_on, found);
                }
                return;
            }
            Token::Sign('*') => {
                found.push(Import {
                    path,
                    name: None,
                    handed_on,
                });
                return;
            }
            Token::Word(word) if word == "as" => {
                name = tokens.get(at + 1).and_then(Token::word).map(str::to_owned);
                break;
            }
            Token::Word(word) if word == "self" && !path.is_empty() => {}
            Token::Word(word) => path.push(word.clone()),
            _ => {}
        }
        at += 1;
    }
    if let Some(last) = path.last().cloned() {
        let name = Some(name.unwrap_or(last));
        found.push(Import {
            path,
            name,
            handed_on,
        });
    }
}

/// What stands between the commas of a list, lists inside it left whole.
fn branches(tokens: &[Token]) -> Vec<&[Token]> {
    let mut depth = 0;
    let parts = tokens.split(move |token| {
        match token {
            Token::Sign('{') => depth += 1,
            Token::Sign('}') => depth -= 1,
            _ => {}
        }
        depth == 0 && token.is(',')
    });
    parts.filter(|part| !part.is_empty()).collect()
}

/// The path that begins here, and its length in tokens. A name alone counts when it is a type, called, or a macro:
/// what else is a single word may be a variable or a field.
fn path(tokens: &[Token], at: usize) -> Option<(Vec<String>, usize)> {
    let mut segments = vec![tokens[at].word()?.to_owned()];
    if let Some(before) = tokens[..at].last()
        && (*before == Token::Path || before.is('.') || before.word() == Some("fn"))
    {
        return None;
    }
    let mut length = 1;
    while let Some([Token::Path, Token::Word(next)]) = tokens.get(at + length..at + length + 2) {
        segments.push(next.clone());
        length += 2;
    }
    let called = |token: &Token| token.is('(') || token.is('!') || *token == Token::Path;
    let alone = segments.len() == 1;
    let is_type = segments[0].starts_with(|c: char| c.is_uppercase());
    let counts = !alone || is_type || tokens.get(at + 1).is_some_and(called);
    counts.then_some((segments, length))
}
