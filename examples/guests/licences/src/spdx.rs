//! Licence expressions (SPDX specification, annex D), as Cargo manifests have them.

use std::collections::BTreeSet;
use std::fmt;

/// More ways to comply than this are not worked out: an expression can be short and still have millions.
const MAX_WAYS: usize = 64;

/// How deep parentheses can be nested.
const MAX_DEPTH: usize = 32;

/// The ways to comply with a package's licence: any one of them, and then all licences in it.
///
/// Two expressions that mean the same are equal: order, parentheses and the old `MIT/Apache-2.0` make no difference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Choices(BTreeSet<BTreeSet<String>>);

impl Choices {
    /// Reads an expression. One that cannot be read is taken for a licence of its own.
    pub(crate) fn parse(expression: &str) -> Self {
        let tokens = tokens(expression);
        let mut rest = tokens.as_slice();
        match any(&mut rest, MAX_DEPTH) {
            Some(choices) if rest.is_empty() => choices,
            _ => Self::opaque(expression),
        }
    }

    /// A single licence, by whatever name.
    pub(crate) fn opaque(name: &str) -> Self {
        Self(BTreeSet::from([BTreeSet::from([name.trim().to_owned()])]))
    }

    /// The ways to comply.
    pub(crate) fn ways(&self) -> impl Iterator<Item = &BTreeSet<String>> {
        self.0.iter()
    }

    /// Without the ways that ask for more than another does.
    fn simplified(ways: &BTreeSet<BTreeSet<String>>) -> Option<Self> {
        if ways.len() > MAX_WAYS {
            return None;
        }
        let needless = |way: &BTreeSet<String>| ways.iter().any(|other| other != way && other.is_subset(way));
        Some(Self(ways.iter().filter(|way| !needless(way)).cloned().collect()))
    }
}

impl fmt::Display for Choices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ways: Vec<String> =
            self.0.iter().map(|way| way.iter().map(String::as_str).collect::<Vec<_>>().join(" AND ")).collect();
        f.write_str(&ways.join(" OR "))
    }
}

fn tokens(expression: &str) -> Vec<String> {
    let mut tokens = vec![String::new()];
    for character in expression.chars() {
        match character {
            // In manifests from before SPDX expressions, a slash is an OR.
            '/' => tokens.extend(["OR".to_owned(), String::new()]),
            '(' | ')' => tokens.extend([character.to_string(), String::new()]),
            _ if character.is_whitespace() => tokens.push(String::new()),
            _ => {
                if let Some(token) = tokens.last_mut() {
                    token.push(character);
                }
            }
        }
    }
    tokens.retain(|token| !token.is_empty());
    tokens
}

/// Whether the operator comes next, which is then passed.
fn operator(tokens: &mut &[String], name: &str) -> bool {
    match tokens.split_first() {
        Some((first, rest)) if first.eq_ignore_ascii_case(name) => {
            *tokens = rest;
            true
        }
        _ => false,
    }
}

fn any(tokens: &mut &[String], depth: usize) -> Option<Choices> {
    let mut ways = all(tokens, depth)?.0;
    while operator(tokens, "OR") {
        ways.extend(all(tokens, depth)?.0);
    }
    Choices::simplified(&ways)
}

fn all(tokens: &mut &[String], depth: usize) -> Option<Choices> {
    let mut choices = one(tokens, depth)?;
    while operator(tokens, "AND") {
        let right = one(tokens, depth)?;
        let both: BTreeSet<_> = choices.ways().flat_map(|left| right.ways().map(move |right| left | right)).collect();
        choices = Choices::simplified(&both)?;
    }
    Some(choices)
}

fn one(tokens: &mut &[String], depth: usize) -> Option<Choices> {
    let (first, rest) = tokens.split_first()?;
    *tokens = rest;
    if first == "(" {
        let inner = any(tokens, depth.checked_sub(1)?)?;
        return operator(tokens, ")").then_some(inner);
    }
    let mut name = identifier(first)?.to_owned();
    if operator(tokens, "WITH") {
        let (exception, rest) = tokens.split_first()?;
        *tokens = rest;
        name = format!("{name} WITH {}", identifier(exception)?);
    }
    Some(Choices::opaque(&name))
}

fn identifier(token: &str) -> Option<&str> {
    let operators = ["AND", "OR", "WITH", "(", ")"];
    (!operators.iter().any(|operator| token.eq_ignore_ascii_case(operator))).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(expression: &str) -> String {
        Choices::parse(expression).to_string()
    }

    #[test]
    fn one_meaning_has_one_form() {
        for same in ["MIT OR Apache-2.0", "Apache-2.0 OR MIT", "MIT/Apache-2.0", "Apache-2.0 / MIT", "(MIT) or (Apache-2.0)"] {
            assert_eq!(plain(same), "Apache-2.0 OR MIT");
        }
    }

    #[test]
    fn and_binds_more_than_or_and_parentheses_most() {
        assert_eq!(plain("MIT OR Apache-2.0 AND ISC"), "Apache-2.0 AND ISC OR MIT");
        assert_eq!(plain("(MIT OR Apache-2.0) AND ISC"), "Apache-2.0 AND ISC OR ISC AND MIT");
        assert_eq!(plain("Apache-2.0 WITH LLVM-exception OR MIT"), "Apache-2.0 WITH LLVM-exception OR MIT");
        assert_eq!(plain("MIT OR (MIT AND ISC)"), "MIT");
    }

    #[test]
    fn what_cannot_be_read_is_a_licence_of_its_own() {
        for odd in ["MIT OR", "(MIT", "MIT)", "AND", "MIT Apache-2.0", "MIT WITH", "WITH x"] {
            assert_eq!(plain(odd), odd);
        }
        assert_eq!(Choices::parse(&"(".repeat(100_000)).ways().count(), 1);
    }

    #[test]
    fn an_expression_with_millions_of_ways_is_not_worked_out() {
        let many = (0..40).map(|n| format!("(A{n} OR B{n})")).collect::<Vec<_>>().join(" AND ");
        assert_eq!(plain(&many), many);
    }
}
