//! Patterns of keys, as Redis has them.

use std::fmt;

use crate::error::{Error, Invalid, Limit};

/// The longest pattern, in bytes. Longer ones would make every key of a scan costly.
pub const MAX_PATTERN: usize = 1024;

/// A parsed pattern: `*` is any run of characters, `?` any one, `[abc]`, `[a-z]` and `[^a]` one of a set, and `\` takes the next
/// character literally.
///
/// Characters are those of Unicode. A match takes at most as many steps as the text has characters times the pattern's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    tokens: Vec<Token>,
}

impl Glob {
    /// Parses a pattern.
    ///
    /// # Errors
    /// [`Invalid::Empty`], [`Invalid::Pattern`] for an unfinished set or escape, [`Limit::Size`] over [`MAX_PATTERN`].
    pub fn new(pattern: &str) -> Result<Self, Error> {
        if pattern.is_empty() {
            return Err(Invalid::Empty { what: "pattern" }.into());
        }
        if pattern.len() > MAX_PATTERN {
            return Err(Limit::Size { what: "pattern", size: pattern.len() as u64, max: MAX_PATTERN as u64 }.into());
        }
        let unfinished = |part| Invalid::Pattern { pattern: pattern.to_owned(), part };
        let mut tokens = Vec::new();
        let mut rest = pattern.chars();
        while let Some(c) = rest.next() {
            match c {
                '*' if tokens.last() == Some(&Token::Run) => {}
                '*' => tokens.push(Token::Run),
                '?' => tokens.push(Token::One),
                '[' => tokens.push(set(&mut rest).map_err(unfinished)?),
                '\\' => tokens.push(Token::Char(rest.next().ok_or_else(|| unfinished(ESCAPE))?)),
                c => tokens.push(Token::Char(c)),
            }
        }
        Ok(Self { tokens })
    }

    /// The pattern that everything matches.
    #[must_use]
    pub fn any() -> Self {
        Self { tokens: vec![Token::Run] }
    }

    /// Whether the whole text matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let mut rest = text.chars();
        let mut at = 0;
        // After the last `*` that was met: the token behind it, and the text that it has not swallowed yet.
        let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            let matched = match self.tokens.get(at) {
                Some(Token::Run) => {
                    at += 1;
                    retry = Some((at, rest.clone()));
                    continue;
                }
                Some(token) => {
                    let before = rest.clone();
                    match rest.next() {
                        Some(c) if token.takes(c) => true,
                        Some(_) => {
                            rest = before;
                            false
                        }
                        // No longer run can help: it would leave even less text.
                        None => return false,
                    }
                }
                None if rest.as_str().is_empty() => return true,
                None => false,
            };
            if matched {
                at += 1;
                continue;
            }
            let Some((behind, unswallowed)) = &mut retry else { return false };
            if unswallowed.next().is_none() {
                return false;
            }
            at = *behind;
            rest = unswallowed.clone();
        }
    }

    /// A pattern of what is stored for the texts that match this one, where `stored` is what is stored for one character and more may
    /// follow at the end. It may match more than that. It has few runs, as some servers take exponential time for many.
    #[must_use]
    pub fn hint(&self, stored: impl Fn(char, &mut String)) -> Self {
        let mut tokens: Vec<Token> = Vec::with_capacity(self.tokens.len() + 1);
        let mut text = String::new();
        let mut runs = 0;
        for token in &self.tokens {
            if let Token::Char(c) = token {
                text.clear();
                stored(*c, &mut text);
                tokens.extend(text.chars().map(Token::Char));
            } else if tokens.last() != Some(&Token::Run) {
                runs += 1;
                if runs == MAX_HINT_RUNS {
                    break;
                }
                tokens.push(Token::Run);
            }
        }
        if tokens.last() != Some(&Token::Run) {
            tokens.push(Token::Run);
        }
        Self { tokens }
    }

    /// A pattern for Redis, which matches bytes, that every text that matches this one matches too. It may match more.
    #[must_use]
    pub fn as_redis_pattern(&self) -> String {
        let mut pattern = String::new();
        let mut run = false;
        for token in &self.tokens {
            match token {
                Token::Char(c) => {
                    run = false;
                    if matches!(c, '*' | '?' | '[' | ']' | '^' | '-' | '\\') {
                        pattern.push('\\');
                    }
                    pattern.push(*c);
                }
                // One character can be up to four bytes.
                _ if !run => {
                    run = true;
                    pattern.push('*');
                }
                _ => {}
            }
        }
        pattern
    }
}

impl std::str::FromStr for Glob {
    type Err = Error;

    fn from_str(pattern: &str) -> Result<Self, Error> {
        Self::new(pattern)
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tokens.iter().try_for_each(|token| token.fmt(f))
    }
}

/// How many runs a hint has at most.
const MAX_HINT_RUNS: usize = 4;

const SET: &str = "set";
const ESCAPE: &str = "escape";

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// Any characters, or none.
    Run,
    /// Any one.
    One,
    /// This one.
    Char(char),
    /// One within the ranges, or outside all of them.
    Set { outside: bool, ranges: Vec<(char, char)> },
}

impl Token {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Run | Self::One => true,
            Self::Char(this) => *this == c,
            Self::Set { outside, ranges } => ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *outside,
        }
    }
}

/// The rest of a set, behind its `[`.
fn set(rest: &mut std::str::Chars<'_>) -> Result<Token, &'static str> {
    let outside = rest.as_str().starts_with('^');
    if outside {
        rest.next();
    }
    let mut ranges = Vec::new();
    loop {
        let from = match rest.next().ok_or(SET)? {
            ']' => return Ok(Token::Set { outside, ranges }),
            '\\' => rest.next().ok_or(ESCAPE)?,
            c => c,
        };
        let mut ahead = rest.clone();
        // A `-` at the end of a set is itself.
        let to = match (ahead.next(), ahead.next()) {
            (Some('-'), Some(']') | None) => from,
            (Some('-'), Some('\\')) => {
                let to = ahead.next().ok_or(ESCAPE)?;
                *rest = ahead;
                to
            }
            (Some('-'), Some(to)) => {
                *rest = ahead;
                to
            }
            _ => from,
        };
        ranges.push((from.min(to), from.max(to)));
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run => f.write_str("*"),
            Self::One => f.write_str("?"),
            Self::Char(c @ ('*' | '?' | '[' | '\\')) => write!(f, "\\{c}"),
            Self::Char(c) => write!(f, "{c}"),
            Self::Set { outside, ranges } => {
                f.write_str(if *outside { "[^" } else { "[" })?;
                for (from, to) in ranges {
                    write!(f, "\\{from}")?;
                    if from != to {
                        write!(f, "-\\{to}")?;
                    }
                }
                f.write_str("]")
            }
        }
    }
}

#[cfg(test)]
mod tests;
