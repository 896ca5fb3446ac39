//! An identity for bellwether caches that several tenants share: each entry stands under its tenant's name in the store, and a
//! key that belongs to nobody is refused.
//!
//! A key is `tenant/rest`. It becomes `tenant/rest`, or, with content, `tenant/rest#` and the SHA-256 of the content in hex.
//! So all that a tenant has in the cache `orders` can be found and deleted by the pattern `acme/*`, and no rest of a key can
//! reach another tenant's entries, since a tenant's name ends at the first `/`.
//!
//! Different entries have different names: in both parts `%`, `#`, `{`, `}` and control characters are written as `%` and the
//! byte in hex, so the only `#` is the one before the digest. Braces are among them because Redis Cluster takes what stands
//! between them for the part that decides the slot.

use std::fmt::Write as _;

use bellwether_guest::Identity;
use sha2::{Digest, Sha256};

struct Tenant;

impl Identity for Tenant {
    fn generate(_cache: &str, key: &str, content: Option<&[u8]>) -> Result<String, String> {
        let (tenant, rest) =
            key.split_once('/').ok_or_else(|| format!("the key {key:?} has no tenant: write it as tenant/key"))?;
        if tenant.is_empty() {
            return Err(format!("the key {key:?} has an empty tenant: write it as tenant/key"));
        }
        if rest.is_empty() {
            return Err(format!("the key {key:?} has nothing after its tenant: write it as tenant/key"));
        }
        let mut name = String::with_capacity(key.len() + 65);
        escape(&mut name, tenant);
        name.push('/');
        escape(&mut name, rest);
        if let Some(content) = content {
            name.push('#');
            for byte in Sha256::digest(content) {
                let _ = write!(name, "{byte:02x}");
            }
        }
        Ok(name)
    }
}

fn escape(name: &mut String, part: &str) {
    for character in part.chars() {
        if matches!(character, '%' | '#' | '{' | '}') || character.is_control() {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                let _ = write!(name, "%{byte:02x}");
            }
        } else {
            name.push(character);
        }
    }
}

bellwether_guest::export_identity!(Tenant);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::collections::HashMap;

    fn name(key: &str, content: Option<&[u8]>) -> String {
        Tenant::generate("orders", key, content).unwrap()
    }

    #[test]
    fn an_entry_stands_under_its_tenant() {
        assert_eq!(name("acme/orders/17", None), "acme/orders/17");
        assert_eq!(name("acme/100 % {off}\n", None), "acme/100 %25 %7boff%7d%0a");
    }

    #[test]
    fn content_is_told_apart_by_its_digest() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(name("acme/17", Some(b"abc")), format!("acme/17#{abc}"));
        assert_ne!(name("acme/17", Some(b"")), name("acme/17", None));
    }

    #[test]
    fn different_entries_have_different_names() {
        let parts = ["a", "b", "%", "#", "/", "{", "%23", "\u{85}", "\n", "é"];
        let mut seen = HashMap::new();
        for tenant in parts {
            for first in parts {
                for second in ["", "x"].iter().chain(&parts) {
                    let key = format!("{tenant}/{first}{second}");
                    for content in [None, Some(&b""[..]), Some(b"abc")] {
                        let Ok(name) = Tenant::generate("orders", &key, content) else { continue };
                        if let Some(other) = seen.insert(name, (key.clone(), content)) {
                            assert_eq!(other, (key.clone(), content));
                        }
                    }
                }
            }
        }
        assert!(seen.len() > 2_000, "{}", seen.len());
        let digest = name("acme/17", Some(b"abc"));
        assert_ne!(name(&digest, None), digest);
    }

    #[test]
    fn a_key_that_belongs_to_nobody_is_refused() {
        for key in ["orders", "/17", "acme/", "/"] {
            let error = Tenant::generate("orders", key, None).unwrap_err();
            assert!(error.contains("tenant/key"), "{error}");
        }
    }
}
