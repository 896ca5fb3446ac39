#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bellwether_guest::cbor::{Value, encode};

use crate::read::cbor;
use crate::write::message_pack;

/// CBOR items in preferred form, which come back byte by byte.
fn values() -> Vec<Vec<u8>> {
    let integers = [0_i64, 23, 24, 127, 128, 255, 256, 65_535, 65_536, i64::from(u32::MAX), i64::MAX];
    let mut values: Vec<Value> = integers.iter().flat_map(|&n| [Value::from(n), Value::from(-n), Value::from(-1 - n)]).collect();
    values.extend([u64::MAX.into(), Value::Null, true.into(), false.into()]);
    values.extend([0.0, -0.0, 1.5, 0.1, f64::MAX, f64::INFINITY, 1e-310].map(Value::Float));
    for len in [0, 1, 31, 32, 255, 256, 65_535, 65_536] {
        values.push(Value::Text("é".repeat(len / 2)));
        values.push(Value::Bytes(vec![7; len]));
    }
    for len in [0_i32, 15, 16, 65_535, 65_536] {
        values.push(Value::Array((0..len).map(Value::from).collect()));
        values.push(Value::Map((0..len).map(|n| (n.into(), Value::Null)).collect()));
    }
    values.push(Value::Map(vec![(Value::Array(vec![1.into()]), "a map's key can be anything".into())]));
    let mut values: Vec<Vec<u8>> = values.iter().map(|value| encode(value).unwrap()).collect();
    // What MessagePack has no form for: a tag, undefined, a simple value, -2^64, and one of them within an array.
    values.extend([vec![0xc1, 0x1a, 1, 2, 3, 4], vec![0xf7], vec![0xf0]]);
    values.extend([vec![0x3b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], vec![0x82, 0xf7, 0xd8, 0x20, 0x61, b'x']]);
    values
}

#[test]
fn every_value_comes_back_as_it_was() {
    for value in values() {
        let bytes = message_pack(&value).unwrap();
        assert_eq!(cbor(&bytes).unwrap(), value);
    }
}

#[test]
fn the_form_is_the_one_of_the_specification() {
    let value = encode(&serde_like(&[("compact", true.into()), ("schema", 0.into())])).unwrap();
    assert_eq!(message_pack(&value).unwrap(), b"\x82\xa7compact\xc3\xa6schema\x00");
    assert_eq!(message_pack(&[0x20]).unwrap(), [0xff]);
    assert_eq!(message_pack(&[0xf9, 0x3e, 0x00]).unwrap(), [0xca, 0x3f, 0xc0, 0, 0]);
    assert_eq!(message_pack(&[0xf7]).unwrap(), [0xd4, b'C', 0xf7]);
}

#[test]
fn items_of_indefinite_length_get_one() {
    let definite = [0xa2, 0x61, b'a', 0x83, 1, 2, 3, 0x61, b'b', 0x42, 1, 2];
    let indefinite = [0xbf, 0x61, b'a', 0x9f, 1, 2, 3, 0xff, 0x7f, 0x61, b'b', 0xff, 0x5f, 0x41, 1, 0x41, 2, 0xff, 0xff];
    let bytes = message_pack(&indefinite).unwrap();
    assert_eq!(bytes, message_pack(&definite).unwrap());
    assert_eq!(cbor(&bytes).unwrap(), definite);
}

#[test]
fn bytes_that_end_early_or_late_are_refused() {
    for value in values().into_iter().filter(|value| value.len() < 1_000) {
        let bytes = message_pack(&value).unwrap();
        for end in 0..bytes.len() {
            assert!(cbor(&bytes[..end]).is_err(), "{bytes:x?} up to {end}");
        }
        for end in 0..value.len() {
            assert!(message_pack(&value[..end]).is_err(), "{value:x?} up to {end}");
        }
        assert!(cbor(&[&bytes[..], &[0xc0]].concat()).is_err());
        assert!(message_pack(&[&value[..], &[0xf6]].concat()).is_err());
    }
}

#[test]
fn hostile_bytes_are_refused() {
    let refused: [(&[u8], &str); 7] = [
        (&[0xc1], "not allowed"),
        (&[0xa1, 0xff], "UTF-8"),
        (&[0xd4, 5, 0], "type 5"),
        (&[0xd5, b'C', 0, 0], "one CBOR item"),
        (&[0xd4, b'C', 0xff], "one CBOR item"),
        (&[0xdd, 0xff, 0xff, 0xff, 0xff], "end within"),
        (&[0xc6, 0xff, 0xff, 0xff, 0xff], "end within"),
    ];
    for (bytes, why) in refused {
        let error = cbor(bytes).unwrap_err();
        assert!(error.contains(why), "{bytes:x?}: {error}");
    }
    assert!(cbor(&vec![0x91; 100_000]).unwrap_err().contains("deep"));
    assert!(message_pack(&vec![0x81; 100_000]).unwrap_err().contains("deep"));
    assert!(message_pack(&vec![0xc1; 100_000]).unwrap_err().contains("deep"));
}

fn serde_like(entries: &[(&str, Value)]) -> Value {
    Value::Map(entries.iter().map(|(key, value)| ((*key).into(), value.clone())).collect())
}
