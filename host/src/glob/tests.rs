#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use proptest::prelude::*;

use super::*;
use crate::names::{escape, escape_char};

fn glob(pattern: &str) -> Glob {
    Glob::new(pattern).unwrap()
}

#[test]
fn what_matches() {
    for (pattern, yes, no) in [
        ("a", vec!["a"], vec!["", "b", "aa"]),
        ("*", vec!["", "a", "ü\0\n"], vec![]),
        ("a*c", vec!["ac", "abc", "acc", "abcbc"], vec!["a", "ab", "acb"]),
        ("*a*b", vec!["ab", "xaxb", "aabb", "abab"], vec!["a", "ba", "abx"]),
        ("a**b", vec!["ab", "axb"], vec!["a"]),
        ("?", vec!["a", "ü", "🐑"], vec!["", "ab"]),
        ("a?c", vec!["abc", "a*c"], vec!["ac"]),
        ("[abc]", vec!["a", "c"], vec!["d", "", "ab"]),
        ("[a-cx]y", vec!["ay", "by", "xy"], vec!["dy", "-y"]),
        ("[^a]", vec!["b", "^"], vec!["a", ""]),
        ("[z-a]", vec!["m"], vec!["A"]),
        ("[ä-ü]", vec!["ö"], vec!["a"]),
        ("[a-]", vec!["a", "-"], vec!["b"]),
        ("[-a]", vec!["a", "-"], vec!["b"]),
        (r"[\]\-\\]", vec!["]", "-", "\\"], vec!["a"]),
        (r"[a-\c]", vec!["b", "c"], vec!["\\", "-"]),
        ("[]", vec![], vec!["", "a", "]"]),
        ("[^]", vec!["a", "]"], vec![""]),
        (r"\*\?\[\\a", vec![r"*?[\a"], vec!["xx"]),
        ("]^-", vec!["]^-"], vec!["^"]),
    ] {
        let glob = glob(pattern);
        for text in yes {
            assert!(glob.matches(text), "{pattern} {text}");
        }
        for text in no {
            assert!(!glob.matches(text), "{pattern} {text}");
        }
    }
    assert!(Glob::any().matches("") && Glob::any().matches("a\nb"));
}

#[test]
fn what_is_no_pattern() {
    for (pattern, part) in
        [("[", "set"), ("a[b", "set"), ("[a-", "set"), ("[^", "set"), ("\\", "escape"), ("[\\", "escape"), ("[a-\\", "escape")]
    {
        assert_eq!(Glob::new(pattern), Err(Invalid::Pattern { pattern: pattern.to_owned(), part }.into()));
    }
    assert!(matches!(Glob::new(""), Err(Error::Invalid(Invalid::Empty { .. }))));
    assert!(matches!(Glob::new(&"a".repeat(MAX_PATTERN + 1)), Err(Error::Limit(Limit::Size { .. }))));
}

#[test]
fn a_hard_pattern_takes_no_longer_than_text_times_pattern() {
    let pattern = glob(&"*a".repeat(MAX_PATTERN / 2 - 1).replace("*a*a*a*a", "*aaa*"));
    assert!(!glob(&format!("{pattern}b")).matches(&"a".repeat(16 << 10)));
}

#[test]
fn hints_for_redis() {
    for (pattern, hint) in [
        ("a", "a*"),
        ("a:b", "a%3Ab*"),
        ("user:*", "user%3A*"),
        ("*{x}*", "*%7Bx%7D*"),
        ("a?b[cd]e", "a*b*e*"),
        ("a*?[x]b", "a*b*"),
        (r"\[\*\]-^", r"\[\*\]\-\^*"),
        ("*1*2*3*4*5*", "*1*2*3*"),
    ] {
        assert_eq!(glob(pattern).hint(escape_char).as_redis_pattern(), hint, "{pattern}");
    }
    assert_eq!(Glob::any().as_redis_pattern(), "*");
    assert_eq!(glob("a?[b]*c").as_redis_pattern(), "a*c");
}

/// Redis's own rules for the parts that are sent to it, byte by byte.
fn redis(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => redis(rest, text) || (!text.is_empty() && redis(pattern, &text[1..])),
        ([b'\\', this, rest @ ..] | [this, rest @ ..], [byte, text @ ..]) if this == byte => redis(rest, text),
        _ => false,
    }
}

/// The plainest matcher there is.
fn plain(tokens: &[Token], text: &[char]) -> bool {
    match (tokens, text) {
        ([], []) => true,
        ([Token::Run, rest @ ..], _) => plain(rest, text) || (!text.is_empty() && plain(tokens, &text[1..])),
        ([token, rest @ ..], [c, text @ ..]) => token.takes(*c) && plain(rest, text),
        _ => false,
    }
}

proptest! {
    #[test]
    fn matches_as_the_plain_matcher_does(pattern in r"([ab*?:üß%{]|\[\^?[a-c]-?[b]?\]|\\[*a]){1,9}", text in "[abc*:ü%{]{0,9}") {
        let glob = glob(&pattern);
        let chars: Vec<char> = text.chars().collect();
        prop_assert_eq!(glob.matches(&text), plain(&glob.tokens, &chars), "{} {}", pattern, text);
        prop_assert_eq!(&self::glob(&glob.to_string()).to_string(), &glob.to_string());
        prop_assert_eq!(self::glob(&glob.to_string()).matches(&text), glob.matches(&text));
    }

    #[test]
    fn hints_leave_nothing_out(pattern in r"([ab*?:üß%{\n]|\[\^?[a-c]-?[b]?\]|\\[*a]){1,12}", text in "[abc*:üß%{\n]{0,9}") {
        let glob = glob(&pattern);
        if glob.matches(&text) {
            prop_assert!(redis(glob.as_redis_pattern().as_bytes(), text.as_bytes()));
            let hint = glob.hint(escape_char);
            for stored in [escape(&text).into_owned(), format!("{}:digest", escape(&text))] {
                prop_assert!(hint.matches(&stored));
                prop_assert!(redis(hint.as_redis_pattern().as_bytes(), stored.as_bytes()), "{} {}", hint, stored);
            }
        }
    }

    #[test]
    fn no_pattern_is_too_odd(pattern in any::<String>(), text in any::<String>()) {
        if let Ok(glob) = Glob::new(&pattern) {
            let _ = glob.matches(&text);
        }
    }
}
