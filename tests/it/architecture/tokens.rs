//! Rust source as tokens: enough to find what a file imports. Comments, literals and what only tests compile are gone.

/// A word of the source.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// An identifier or a keyword.
    Word(String),
    /// `::`
    Path,
    /// Any other character that is not blank.
    Sign(char),
}

impl Token {
    pub fn is(&self, sign: char) -> bool {
        *self == Token::Sign(sign)
    }

    pub fn word(&self) -> Option<&str> {
        match self {
            Token::Word(word) => Some(word),
            _ => None,
        }
    }
}

/// The tokens of a file, without comments, literals, and the items below `#[cfg(test)]`.
pub fn tokens(text: &str) -> Vec<Token> {
    without_tests(&split(text))
}

/// The modules that a file declares for tests only, which live in files of their own.
pub fn test_modules(text: &str) -> Vec<String> {
    let tokens = split(text);
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let Some(end) = test_attribute(&tokens[at..]) else {
            continue;
        };
        if let [Token::Word(word), Token::Word(name), sign, ..] = &tokens[at + end..]
            && word == "mod"
            && sign.is(';')
        {
            found.push(name.clone());
        }
    }
    found
}

fn split(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        at += match rest {
            ['/', '/', ..] => rest.iter().take_while(|c| **c != '\n').count(),
            ['/', '*', ..] => block_comment(rest),
            ['"', ..] => quoted(rest, '"'),
            ['b' | 'c', '"', ..] => 1 + quoted(&rest[1..], '"'),
            ['r', '"' | '#', ..] if raw_string(rest).is_some() => raw_string(rest).unwrap_or(1),
            ['b' | 'c', 'r', '"' | '#', ..] => 1 + raw_string(&rest[1..]).unwrap_or(1),
            ['b', '\'', ..] => 1 + quoted(&rest[1..], '\''),
            ['\'', '\\', ..] | ['\'', _, '\'', ..] => quoted(rest, '\''),
            ['\'', ..] => 1 + rest[1..].iter().take_while(|c| is_word(**c)).count(),
            [':', ':', ..] => {
                tokens.push(Token::Path);
                2
            }
            [first, ..] if is_word(*first) => {
                let word: String = rest.iter().take_while(|c| is_word(**c)).collect();
                let length = word.chars().count();
                tokens.push(Token::Word(word));
                length
            }
            [blank, ..] if blank.is_whitespace() => 1,
            [sign, ..] => {
                tokens.push(Token::Sign(*sign));
                1
            }
            [] => 1,
        };
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn raw_string(rest: &[char]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return None;
    }
    let mut close = vec!['"'];
    close.resize(1 + hashes, '#');
    let body = &rest[2 + hashes..];
    let length = body.windows(close.len()).position(|end| end == close)?;
    Some(2 + hashes + length + close.len())
}

/// How many tokens `#[cfg(test)]` and the attributes behind it take, when they stand here.
fn test_attribute(tokens: &[Token]) -> Option<usize> {
    let [hash, open, Token::Word(cfg), bracket, Token::Word(test), ..] = tokens else {
        return None;
    };
    if !(hash.is('#') && open.is('[') && cfg == "cfg" && bracket.is('(') && test == "test") {
        return None;
    }
    let mut at = 7;
    while tokens.get(at).is_some_and(|token| token.is('#')) {
        at += 1 + tokens[at..].iter().position(|token| token.is(']'))?;
    }
    Some(at)
}

fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match test_attribute(&tokens[at..]) {
            Some(attribute) => at += attribute + item(&tokens[at + attribute..]),
            None => {
                kept.push(tokens[at].clone());
                at += 1;
            }
        }
    }
    kept
}

/// The length of an item: to its `;`, or to the end of its block. A list of imports has braces and then a `;`.
fn item(tokens: &[Token]) -> usize {
    let imports = tokens
        .iter()
        .take_while(|token| !token.is('{'))
        .any(|token| token.word() == Some("use"));
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign('{' | '(' | '[') => depth += 1,
            Token::Sign(')' | ']') => depth -= 1,
            Token::Sign('}') => {
                depth -= 1;
                if depth == 0 && !imports {
                    return at + 1;
                }
            }
            Token::Sign(';') if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}
