#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::error::{CborFault, Invalid};

mod items;

pub(crate) use items::{Item, item, jsonable};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[test]
fn well_formed_items_pass() {
    for text in [
        "00",
        "17",
        "1818",
        "190100",
        "1a00010000",
        "1bffffffffffffffff",
        "20",
        "3bffffffffffffffff",
        "40",
        "4401020304",
        "5f42010243030405ff",
        "5fff",
        "60",
        "62c3bc",
        "7f6161626263ff",
        "80",
        "83010203",
        "9f0102ff",
        "9fff",
        "a0",
        "a201020304",
        "bf6161016162 9f0203ff ff",
        "bfff",
        "c11a514b67b0",
        "d74401020304",
        "d818 45 6449455446",
        "f4",
        "f7",
        "f0",
        "f820",
        "f8ff",
        "f90000",
        "fa47c35000",
        "fb3ff199999999999a",
        "f97e00",
        "9f 9f ff a0 ff",
    ] {
        assert_eq!(check(&hex(text)), Ok(()), "{text}");
    }
}

#[test]
fn everything_else_is_refused() {
    use CborFault::{Empty, Malformed, NotUtf8, Trailing, Truncated};
    for (text, fault) in [
        ("", Empty),
        ("0000", Trailing { at: 1 }),
        ("80ff", Trailing { at: 1 }),
        // Ends too early.
        ("18", Truncated),
        ("1b00000000000000", Truncated),
        ("41", Truncated),
        ("5bffffffffffffffff00", Truncated),
        ("5f4100", Truncated),
        ("81", Truncated),
        ("9bffffffffffffffff00", Truncated),
        ("a100", Truncated),
        ("bb800000000000000000", Truncated),
        ("bbffffffffffffffff00", Truncated),
        ("9f00", Truncated),
        ("bf00", Truncated),
        ("c0", Truncated),
        ("f8", Truncated),
        ("fb00000000000000", Truncated),
        // Reserved additional information.
        ("1c", Malformed { at: 0 }),
        ("3d", Malformed { at: 0 }),
        ("5e", Malformed { at: 0 }),
        ("9c", Malformed { at: 0 }),
        ("dd", Malformed { at: 0 }),
        ("fc", Malformed { at: 0 }),
        ("fe", Malformed { at: 0 }),
        // Indefinite lengths where there are none.
        ("1f", Malformed { at: 0 }),
        ("3f", Malformed { at: 0 }),
        ("df", Malformed { at: 0 }),
        // A simple value in two bytes that has a form of one.
        ("f800", Malformed { at: 0 }),
        ("f81f", Malformed { at: 0 }),
        // A break where no container is open, or within a pair.
        ("ff", Malformed { at: 0 }),
        ("81ff", Malformed { at: 1 }),
        ("a1ffff", Malformed { at: 1 }),
        ("c0ff", Malformed { at: 1 }),
        ("bf00ff", Malformed { at: 2 }),
        // Chunks of another kind, or of no definite length.
        ("5f00ff", Malformed { at: 1 }),
        ("5f6161ff", Malformed { at: 1 }),
        ("7f4161ff", Malformed { at: 1 }),
        ("5f5f4100ffff", Malformed { at: 1 }),
        // Not UTF-8, or only across chunks.
        ("61ff", NotUtf8 { at: 0 }),
        ("8162c328", NotUtf8 { at: 1 }),
        ("7f61c361bcff", NotUtf8 { at: 1 }),
    ] {
        assert_eq!(check(&hex(text)), Err(fault), "{text}");
        assert_eq!(canonical(&hex(text)), Err(fault), "{text}");
    }
}

#[test]
fn nesting_has_a_limit_that_all_share() {
    for open in ["81", "9f", "c1", "a100", "bf00"] {
        let nest = |depth: usize| {
            let close = if matches!(open, "9f" | "bf00") { "ff" } else { "" };
            hex(&[open.repeat(depth), "00".to_owned(), close.repeat(depth)].concat())
        };
        assert_eq!(check(&nest(MAX_DEPTH)), Ok(()), "{open}");
        assert!(canonical(&nest(MAX_DEPTH)).is_ok(), "{open}");
        assert_eq!(check(&nest(MAX_DEPTH + 1)), Err(CborFault::TooDeep), "{open}");
        assert_eq!(canonical(&nest(100_000)), Err(CborFault::TooDeep), "{open}");
    }
    let deepest: ciborium::Value = from_slice(&hex(&["81".repeat(MAX_DEPTH), "00".to_owned()].concat())).unwrap();
    assert!(deepest.is_array());
}

#[test]
fn canonical_forms() {
    for (text, canon) in [
        ("1800", "00"),
        ("1b0000000000000100", "190100"),
        ("3800", "20"),
        ("5801ff", "41ff"),
        ("5f42010243030405ff", "450102030405"),
        ("7fff", "60"),
        ("7f6161626263ff", "63616263"),
        ("9f0102ff", "820102"),
        ("9f 9f01ff bf02 9fff ff ff", "82 8101 a10280"),
        // The order of section 4.2.1: by bytes, shorter forms first only because their bytes are smaller.
        (
            "a8 8120 00 626161 01 f4 02 6161 03 20 04 1864 05 0a 06 8118 64 07",
            "a8 0a06 186405 2004 616103 62616101 81186407 812000 f402",
        ),
        ("bf 02 00 01 00 ff", "a2 0100 0200"),
        ("a2 a2 02 00 01 00 00 a1 00 00 00", "a2 a10000 00 a2 0100 0200 00"),
        // Floating-point numbers stay what they are and become as short as they can.
        ("fb3ff0000000000000", "f93c00"),
        ("fa3f800000", "f93c00"),
        ("fb8000000000000000", "f98000"),
        ("fb3e70000000000000", "f90001"),
        ("fb3e60000000000000", "fa33000000"),
        ("fb40effc0000000000", "f97bff"),
        ("fb40f0000000000000", "fa47800000"),
        ("fb3f10000000000000", "f90400"),
        ("fb3f0ff80000000000", "f903ff"),
        ("fb3f0ffc0000000000", "fa387fe000"),
        ("fb47efffffe0000000", "fa7f7fffff"),
        ("fb36a0000000000000", "fa00000001"),
        ("fb3690000000000000", "fb3690000000000000"),
        ("fb3ff199999999999a", "fb3ff199999999999a"),
        ("fb7ff0000000000000", "f97c00"),
        ("faff800000", "f9fc00"),
        ("fb7ff8000000000001", "f97e00"),
        ("faffc00000", "f97e00"),
        ("f97e01", "f97e00"),
        ("f97c01", "f97e00"),
        // Bignums.
        ("c249010000000000000000", "c249010000000000000000"),
        ("c24a00010000000000000000", "c249010000000000000000"),
        ("c248ffffffffffffffff", "1bffffffffffffffff"),
        ("c340", "20"),
        ("d802 5f 41 00 41 18 ff", "1818"),
        ("c200", "c200"),
        ("f7", "f7"),
        ("f8ff", "f8ff"),
        ("d818 1b0000000000000018", "d8181818"),
    ] {
        let given = canonical(&hex(text));
        assert_eq!(given.unwrap(), hex(canon), "{text}");
    }
}

#[test]
fn a_map_with_one_key_twice_has_no_canonical_form() {
    for text in
        ["a2 01 00 01 00", "a2 01 00 1801 00", "a2 6161 00 7f6161ff 01", "a2 f93c00 00 fa3f800000 00", "81a2 c24101 00 01 00"]
    {
        assert_eq!(check(&hex(text)), Ok(()), "{text}");
        assert_eq!(canonical(&hex(text)), Err(CborFault::DuplicateKey), "{text}");
    }
    // One and 1.0 are two keys.
    assert!(canonical(&hex("a2 01 00 f93c00 00")).is_ok());
}

#[test]
fn types_go_there_and_back() {
    let value = (1_u8, "two".to_owned(), Some(3.5), None::<u8>, vec![i64::MIN, i64::MAX]);
    assert_eq!(from_slice::<(u8, String, Option<f64>, Option<u8>, Vec<i64>)>(&to_vec(&value).unwrap()).unwrap(), value);
    assert!(matches!(from_slice::<String>(&[0x01]), Err(Invalid::Type { .. })));
    assert_eq!(from_slice::<Option<u8>>(&to_vec(&None::<u8>).unwrap()).unwrap(), None);
}

#[test]
fn byte_strings_are_wrapped_and_unwrapped() {
    for size in [0, 1, 23, 24, 255, 256, 70_000] {
        let bytes = vec![7; size];
        let item = Bytes::from(wrap_bytes(&bytes));
        assert_eq!(check(&item), Ok(()));
        let held = unwrap_bytes(&item).unwrap();
        assert_eq!(held, bytes);
        assert!(size == 0 || item.as_ptr_range().contains(&held.as_ptr()), "it was copied");
    }
    assert_eq!(unwrap_bytes(&hex("5f 4101 40 420203 ff").into()).unwrap(), hex("010203"));
    assert_eq!(unwrap_bytes(&hex("6161").into()), None);
    assert_eq!(unwrap_bytes(&hex("c14101").into()), None);
    assert_eq!(unwrap_bytes(&hex("410101").into()), None);
}

#[test]
fn json_there_and_back() {
    for (json, cbor) in [
        ("null", "f6"),
        ("[true,false]", "82f5f4"),
        ("18446744073709551615", "1bffffffffffffffff"),
        ("-9223372036854775808", "3b7fffffffffffffff"),
        ("1.0", "f93c00"),
        ("-0.0", "f98000"),
        ("0.1", "fb3fb999999999999a"),
        ("1.7976931348623157e+308", "fb7fefffffffffffff"),
        (r#"{"b":[],"a":{"ü\n\"":1}}"#, "a2 6162 80 6161 a1 64c3bc0a22 01"),
    ] {
        assert_eq!(from_json(json.as_bytes()).unwrap(), hex(cbor), "{json}");
        assert_eq!(String::from_utf8(to_json(&hex(cbor)).unwrap()).unwrap(), json);
    }
    // Chunks and indefinite lengths have their equals; many items need a longer head.
    assert_eq!(to_json(&hex("9f 7f6161616203ff")), Err(JsonFault::Cbor(CborFault::Malformed { at: 6 })));
    assert_eq!(to_json(&hex("bf 7f61616162ff 9f0001ff ff")).unwrap(), br#"{"ab":[0,1]}"#);
    let many: Vec<u16> = (0..1000).collect();
    assert_eq!(from_json(&to_json(&to_vec(&many).unwrap()).unwrap()).unwrap(), to_vec(&many).unwrap());
}

#[test]
fn what_is_not_json_is_refused_by_name() {
    for (cbor, what, at) in [
        ("4101", "byte string", 0),
        ("825fff01", "byte string", 1),
        ("81c101", "tag", 1),
        ("a10102", "map key that is not text", 1),
        ("f7", "`undefined`", 0),
        ("f0", "simple value", 0),
        ("81f97e00", "NaN or infinity", 1),
        ("f97c00", "NaN or infinity", 0),
        ("3b8000000000000000", "integer under -2^63", 0),
        (&["81".repeat(128), "00".to_owned()].concat(), "item nested over 127 deep", 127),
    ] {
        assert_eq!(to_json(&hex(cbor)), Err(JsonFault::NotJson { what, at }), "{cbor}");
    }
    for json in ["", "[", "1 2", "nul", "1e999", "[1,]", "'a'", &format!("{}{}", "[".repeat(128), "]".repeat(128))] {
        assert!(matches!(from_json(json.as_bytes()), Err(JsonFault::Syntax(_))), "{json}");
    }
    let deepest = format!("{}{}", "[".repeat(127), "]".repeat(127));
    assert_eq!(to_json(&from_json(deepest.as_bytes()).unwrap()).unwrap(), deepest.as_bytes());
}

proptest! {
    #[test]
    fn what_is_written_is_well_formed(item in item(), style in any::<Vec<u8>>()) {
        prop_assert_eq!(check(&item.encode(&style)), Ok(()));
    }

    #[test]
    fn every_way_to_write_a_value_has_one_canonical_form(
        item in item(),
        one in proptest::collection::vec(any::<u8>(), 1..40),
        other in proptest::collection::vec(any::<u8>(), 1..40),
    ) {
        let canon = canonical(&item.encode(&one)).unwrap();
        prop_assert_eq!(&canonical(&item.encode(&other)).unwrap(), &canon);
        prop_assert_eq!(&canonical(&canon).unwrap(), &canon);
        prop_assert_eq!(check(&canon), Ok(()));
    }

    #[test]
    fn different_values_have_different_canonical_forms(one in item(), other in item()) {
        let (a, b) = (canonical(&one.encode(&[])).unwrap(), canonical(&other.encode(&[])).unwrap());
        prop_assert_eq!(a == b, one.normal() == other.normal());
    }

    #[test]
    fn the_beginning_of_an_item_is_no_item(item in item(), style in any::<Vec<u8>>(), cut in any::<proptest::sample::Index>()) {
        let bytes = item.encode(&style);
        let cut = &bytes[..cut.index(bytes.len())];
        prop_assert!(matches!(check(cut), Err(CborFault::Truncated | CborFault::Empty)), "{cut:x?}");
    }

    #[test]
    fn no_bytes_are_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let checked = check(&bytes);
        match canonical(&bytes) {
            Ok(canon) => prop_assert!(checked.is_ok() && canon.len() <= bytes.len()),
            Err(CborFault::DuplicateKey) => prop_assert!(checked.is_ok()),
            Err(fault) => prop_assert_eq!(checked, Err(fault)),
        }
        if let Ok(json) = to_json(&bytes) {
            prop_assert!(checked.is_ok());
            prop_assert!(from_json(&json).is_ok());
        }
        let _ = from_json(&bytes);
        let _ = unwrap_bytes(&bytes.into());
    }

    #[test]
    fn what_another_reader_reads_is_well_formed(mut bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        // That reader also takes simple values that are not in their only form.
        bytes.iter_mut().filter(|byte| **byte == 0xf8).for_each(|byte| *byte = 0xf7);
        let mut rest = bytes.as_slice();
        if ciborium::from_reader::<ciborium::Value, _>(&mut rest).is_ok() {
            prop_assert_eq!(check(&bytes[..bytes.len() - rest.len()]), Ok(()));
        }
    }

    #[test]
    fn another_reader_reads_what_is_canonical(item in jsonable(), style in any::<Vec<u8>>()) {
        let bytes = item.encode(&style);
        let value: ciborium::Value = from_slice(&canonical(&bytes).unwrap()).unwrap();
        prop_assert_eq!(canonical(&to_vec(&value).unwrap()), canonical(&bytes));
    }

    #[test]
    fn json_keeps_what_it_can_hold(item in jsonable(), style in any::<Vec<u8>>()) {
        let bytes = item.encode(&style);
        let back = from_json(&to_json(&bytes).unwrap()).unwrap();
        prop_assert_eq!(canonical(&back), canonical(&bytes));
    }

    #[test]
    fn every_float_keeps_its_value(bits in any::<u64>(), half in any::<u16>(), single in any::<u32>()) {
        for value in [f64::from_bits(bits), Float::Half(half).value(), f64::from(f32::from_bits(single))] {
            let mut bytes = Vec::new();
            super::write::put_float(&mut bytes, value);
            let Ok(Head::Float(float)) = Reader::new(&bytes).next() else { panic!("{bytes:x?}") };
            prop_assert!(float.value().to_bits() == value.to_bits() || (float.value().is_nan() && value.is_nan()));
        }
    }
}
