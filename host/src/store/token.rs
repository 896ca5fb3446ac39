//! What a lock's key holds.

use std::fmt;

use crate::error::{Error, Invalid, Outage, Unavailable};
use crate::names::Holder;

/// How many hexadecimal digits are the secret part of a token of ours.
const SECRET: usize = 32;

/// The secret that a lock's key holds: who has it holds the lock.
///
/// Ours are 128 random bits in 32 hexadecimal digits, then, if the holder has a label, `@` and the label. Only the digits are
/// secret; they are never shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Token(String);

impl Token {
    /// A new one, of a holder who has no label.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the operating system gives no random bits.
    pub fn random() -> Result<Self, Error> {
        Ok(Self(format!("{:032x}", secret()?)))
    }

    /// A new one, of a holder with this label.
    ///
    /// # Errors
    /// As [`Token::random`].
    pub fn of(holder: &Holder) -> Result<Self, Error> {
        Ok(Self(format!("{:032x}@{holder}", secret()?)))
    }

    /// A token that another guard handed over. Foreign lockers have tokens of other forms, so any printable text of 8 to 256
    /// bytes may be one.
    ///
    /// # Errors
    /// [`Invalid::Token`] for anything else.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let fits = (8..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(text.to_owned())) } else { Err(Invalid::Token) }
    }

    /// The token's text, a secret.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The label of who holds the lock. Foreign tokens have none.
    #[must_use]
    pub fn holder(&self) -> Option<Holder> {
        let (secret, label) = self.0.split_once('@')?;
        let ours = secret.len() == SECRET && secret.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        ours.then(|| Holder::new(label).ok())?
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

fn secret() -> Result<u128, Error> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).map_err(|why| Unavailable {
        store: "random bits of the operating system".into(),
        why: Outage::Failed(why.to_string()),
    })?;
    Ok(u128::from_be_bytes(bits))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_token_shows_its_holder_and_never_its_secret() {
        let holder = Holder::new("web-1:17").unwrap();
        let token = Token::of(&holder).unwrap();
        assert_eq!(token.holder(), Some(holder));
        assert_eq!((token.as_str().find('@'), token.as_str().len()), (Some(32), 41));
        assert_eq!(format!("{token:?}"), "Token(…)");
        assert_ne!(Token::random().unwrap(), Token::random().unwrap());
        assert_eq!(Token::random().unwrap().holder(), None);
    }

    #[test]
    fn foreign_tokens_have_no_holder() {
        let digits = "0123456789abcdef0123456789abcdef";
        for foreign in [
            "somebody@somewhere".to_owned(),
            "550e8400-e29b-41d4-a716-446655440000".to_owned(),
            digits.to_uppercase() + "@a",
            format!("{digits}@"),
            format!("{digits}@a@b"),
            format!("{digits}@{}", "a".repeat(65)),
        ] {
            assert_eq!(Token::parse(&foreign).unwrap().holder(), None, "{foreign}");
        }
    }
}
