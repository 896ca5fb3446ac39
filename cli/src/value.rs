//! Values as people and programs write them: JSON where JSON can say it, else the diagnostic notation of RFC 8949, section 8.

use std::fmt::Write;

use ciborium::Value;

/// Reads one CBOR item.
///
/// # Errors
/// Says what is wrong with the bytes.
pub(crate) fn from_cbor(bytes: &[u8]) -> Result<Value, String> {
    ciborium::from_reader(bytes).map_err(|why| why.to_string())
}

/// Reads JSON whose every integer is one of CBOR too.
///
/// # Errors
/// Says what is wrong with it. An integer of over 64 bits would become a float, and lose digits; of two values with one key, one would be
/// lost.
pub(crate) fn from_json(text: &[u8]) -> Result<serde_json::Value, String> {
    // This keeps all pairs of an object, and has nothing else that JSON cannot say.
    let value: Value = serde_json::from_slice(text).map_err(|why| why.to_string())?;
    let value = to_json(&value).ok_or("an object has a key twice")?;
    let too_long =
        |number: &&str| !number.contains(['.', 'e', 'E']) && number.parse::<u64>().is_err() && number.parse::<i64>().is_err();
    // What was read is UTF-8.
    match numbers(std::str::from_utf8(text).unwrap_or_default()).find(too_long) {
        Some(number) => Err(format!("the integer {number} has over 64 bits and would lose digits")),
        None => Ok(value),
    }
}

/// The numbers in a text that is JSON.
fn numbers(json: &str) -> impl Iterator<Item = &str> {
    let mut within_text = false;
    let mut escaped = false;
    let outside = move |c: char| {
        let part = !within_text && (c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E'));
        within_text ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        !part
    };
    // `true` and `false` leave an `e`.
    json.split(outside).filter(|part| part.contains(|c: char| c.is_ascii_digit()))
}

/// Writes one CBOR item.
///
/// # Errors
/// Says which part CBOR has no form for; JSON and byte strings have none of these.
pub(crate) fn to_cbor(value: &impl serde::Serialize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).map_err(|why| why.to_string())?;
    Ok(bytes)
}

/// The value in JSON; `None` if it has a part that JSON cannot say: bytes, tags, keys that are no text or come twice, numbers that
/// are infinite, no number, or an integer of over 64 bits.
pub(crate) fn to_json(value: &Value) -> Option<serde_json::Value> {
    use serde_json::{Number, Value as Json};
    match value {
        Value::Null => Some(Json::Null),
        Value::Bool(bool) => Some(Json::Bool(*bool)),
        Value::Integer(integer) => {
            let integer = i128::from(*integer);
            let number = u64::try_from(integer).map(Number::from).or_else(|_| i64::try_from(integer).map(Number::from));
            number.ok().map(Json::Number)
        }
        Value::Float(float) => Number::from_f64(*float).map(Json::Number),
        Value::Text(text) => Some(Json::String(text.clone())),
        Value::Array(items) => items.iter().map(to_json).collect::<Option<_>>().map(Json::Array),
        Value::Map(entries) => {
            let mut object = serde_json::Map::new();
            for (key, value) in entries {
                if object.insert(key.as_text()?.to_owned(), to_json(value)?).is_some() {
                    return None;
                }
            }
            Some(Json::Object(object))
        }
        _ => None,
    }
}

/// The value in diagnostic notation, on one line.
pub(crate) fn diagnostic(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, to: &mut String) {
    match value {
        Value::Bytes(bytes) => {
            to.push_str("h'");
            for byte in bytes {
                let _ = write!(to, "{byte:02x}");
            }
            to.push('\'');
        }
        Value::Tag(tag, value) => {
            let _ = write!(to, "{tag}(");
            write(value, to);
            to.push(')');
        }
        Value::Integer(integer) => {
            let _ = write!(to, "{}", i128::from(*integer));
        }
        Value::Float(float) if float.is_nan() => to.push_str("NaN"),
        Value::Float(float) if float.is_infinite() => to.push_str(if *float > 0.0 { "Infinity" } else { "-Infinity" }),
        Value::Array(items) => {
            list('[', ']', items, to, write);
        }
        Value::Map(entries) => list('{', '}', entries, to, |(key, value), to| {
            write(key, to);
            to.push_str(": ");
            write(value, to);
        }),
        plain => match to_json(plain) {
            Some(json) => {
                let _ = write!(to, "{json}");
            }
            None => to.push_str("undefined"),
        },
    }
}

fn list<T>(open: char, close: char, items: &[T], to: &mut String, each: impl Fn(&T, &mut String)) {
    to.push(open);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            to.push_str(", ");
        }
        each(item, to);
    }
    to.push(close);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn json_survives_the_way_through_cbor() -> Result<(), String> {
        for text in ["null", "true", "-1", "18446744073709551615", "1.5", r#""a\nb""#, "[1,[],{}]", r#"{"a":{"b":[null]}}"#] {
            let json: serde_json::Value = serde_json::from_str(text).map_err(|why| why.to_string())?;
            let value = from_cbor(&to_cbor(&json)?)?;
            assert_eq!(to_json(&value), Some(json), "{text}");
        }
        Ok(())
    }

    #[test]
    fn an_integer_that_would_lose_digits_is_refused() {
        for text in ["18446744073709551616", "-9223372036854775809", r#"{"a\"":[true,99999999999999999999]}"#] {
            assert!(from_json(text.as_bytes()).is_err_and(|why| why.contains("lose digits")), "{text}");
        }
        for text in
            ["18446744073709551615", "-9223372036854775808", "1e30", "1.00000000000000000000000", r#""\\\"99999999999999999999""#]
        {
            assert!(from_json(text.as_bytes()).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_key_that_comes_twice_is_refused() {
        for text in [r#"{"a":1,"a":2}"#, r#"[{"b":{"a":1,"\u0061":1}}]"#] {
            assert_eq!(from_json(text.as_bytes()), Err("an object has a key twice".to_owned()), "{text}");
        }
        let twice = r#"{"a":{"a":1},"b":[{"a":null},{"a":-1.5}],"":true,"@@TAG@@":[1]}"#;
        assert_eq!(from_json(twice.as_bytes()).unwrap().to_string().len(), twice.len());
    }

    #[test]
    fn what_json_cannot_say_has_a_diagnostic_form() {
        let text = |text: &str| Value::Text(text.into());
        for (value, shown) in [
            (Value::Bytes(vec![0, 0xff]), "h'00ff'"),
            (Value::Tag(1, Box::new(Value::Integer(7.into()))), "1(7)"),
            (Value::Float(f64::NAN), "NaN"),
            (Value::Float(f64::NEG_INFINITY), "-Infinity"),
            (
                Value::Map(vec![(Value::Integer(1.into()), text("a")), (Value::Null, Value::Bool(true))]),
                r#"{1: "a", null: true}"#,
            ),
            (Value::Map(vec![(text("a"), Value::Null), (text("a"), Value::Null)]), r#"{"a": null, "a": null}"#),
            (Value::Array(vec![Value::Bytes(vec![]), Value::Float(1.0)]), "[h'', 1.0]"),
        ] {
            assert_eq!(to_json(&value), None, "{shown}");
            assert_eq!(diagnostic(&value), shown);
        }
    }
}
