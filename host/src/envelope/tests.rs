#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use proptest::prelude::*;

use super::*;

/// Entries as version 1 wrote them, byte by byte. They must be read for ever; nothing here may be edited.
const VERSION_1: [(&[u8], Envelope, &[u8]); 3] = [
    (
        b"\x8bbwe\x01\x00\x01\x00\x00\x00\x01\x00\x00\x00\xef\xcd\xab\x89\x67\x45\x23\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\xad\x74\x1b\x0f\xf6",
        Envelope {
            compressed: false,
            serializer: StageId::CBOR,
            compressor: StageId::ZLIB,
            created: 0x0123_4567_89ab_cdef,
            expires: None,
        },
        b"\xf6",
    ),
    (
        b"\x8bbwe\x01\x01\x04\x03\x02\x81\x08\x07\x06\x85\x01\x00\x00\x00\x00\x00\x00\x00\x02\x01\x00\x00\x00\x00\x00\x00\x09\x00\x00\x00\x92\x6e\xdf\x2f123456789",
        Envelope {
            compressed: true,
            serializer: StageId(0x8102_0304),
            compressor: StageId(0x8506_0708),
            created: 1,
            expires: Some(0x102),
        },
        b"123456789",
    ),
    (
        b"\x8bbwe\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xa5\x2a\x94\xc2",
        Envelope {
            compressed: false,
            serializer: StageId::NONE,
            compressor: StageId::NONE,
            created: u64::MAX,
            expires: None,
        },
        b"",
    ),
];

fn open(stored: &[u8]) -> Result<(Envelope, Bytes), Corrupt> {
    Envelope::open("k", &Bytes::copy_from_slice(stored))
}

fn entry() -> Vec<u8> {
    VERSION_1[1].0.to_vec()
}

#[test]
fn every_version_ever_written_is_read() {
    for (stored, envelope, payload) in VERSION_1 {
        let (read, found) = open(stored).unwrap();
        assert_eq!(read, envelope);
        assert_eq!(found, payload);
    }
}

#[test]
fn version_1_is_written_byte_by_byte_as_ever() {
    for (stored, envelope, payload) in VERSION_1 {
        assert_eq!(envelope.seal(payload).unwrap(), stored);
    }
}

#[test]
fn the_payload_is_not_copied() {
    let stored = Bytes::from(entry());
    let (_, payload) = Envelope::open("k", &stored).unwrap();
    assert_eq!(payload.as_ptr(), stored[HEADER..].as_ptr());
}

#[test]
fn a_script_can_move_the_expiry_in_place() {
    let mut stored = entry();
    stored[22..30].copy_from_slice(&77_u64.to_le_bytes());
    assert_eq!(open(&stored).unwrap().0.expires, Some(77));
}

#[test]
fn foreign_entries_are_told_apart() {
    for stored in
        [&b""[..], b"\x8b", b"\x8bbw", b"plain text that is longer than any header could be", b"\x8bbwe\x00 version zero"]
    {
        assert_eq!(open(stored), Err(Corrupt::Foreign { key: "k".into() }), "{stored:?}");
    }
}

#[test]
fn truncated_and_overlong_entries_say_what_they_should_be() {
    let whole = entry();
    for size in 4..HEADER {
        assert_eq!(open(&whole[..size]), Err(Corrupt::Length { key: "k".into(), size, expected: HEADER }));
    }
    for size in HEADER..whole.len() {
        assert_eq!(open(&whole[..size]), Err(Corrupt::Length { key: "k".into(), size, expected: whole.len() }));
    }
    let longer = [&whole[..], b"\0"].concat();
    assert_eq!(open(&longer), Err(Corrupt::Length { key: "k".into(), size: longer.len(), expected: whole.len() }));
}

#[test]
fn later_versions_and_unknown_flags_are_not_guessed_at() {
    let with = |at: usize, byte| {
        let mut stored = entry();
        stored[at] = byte;
        open(&stored)
    };
    for version in [2, 3, 255] {
        assert_eq!(with(4, version), Err(Corrupt::Version { key: "k".into(), version, newest: 1 }));
        assert_eq!(open(&[0x8b, b'b', b'w', b'e', version]), Err(Corrupt::Version { key: "k".into(), version, newest: 1 }));
    }
    for flags in [2, 3, 0x80] {
        assert_eq!(with(5, flags), Err(Corrupt::Flags { key: "k".into(), flags }));
    }
}

#[test]
fn names_have_ids_that_no_built_in_stage_has() {
    assert_eq!(StageId::named("msgpack"), StageId::named("msgpack"));
    assert_ne!(StageId::named("msgpack"), StageId::named("lz4"));
    // The first bytes of the name's SHA-256 are ba7816bf; this must never change.
    assert_eq!(StageId::named("abc"), StageId(0xba78_16bf));
    assert!(StageId::named("a").0 >> 31 == 1);
}

#[test]
fn damage_anywhere_but_in_the_expiry_is_seen() {
    let whole = entry();
    for at in (0..whole.len()).filter(|at| !(22..30).contains(at)) {
        for bit in 0..8 {
            let mut stored = whole.clone();
            stored[at] ^= 1_u8 << bit;
            assert!(open(&stored).is_err(), "bit {bit} of byte {at}");
        }
    }
}

proptest! {
    #[test]
    fn what_is_sealed_is_opened(
        compressed: bool, serializer: u32, compressor: u32, created: u64, expires in proptest::option::of(1_u64..), payload: Vec<u8>,
    ) {
        let envelope = Envelope { compressed, serializer: StageId(serializer), compressor: StageId(compressor), created, expires };
        let stored = envelope.seal(&payload).unwrap();
        prop_assert_eq!(stored.len(), HEADER + payload.len());
        let (read, found) = Envelope::open("k", &stored).unwrap();
        prop_assert_eq!(read, envelope);
        prop_assert_eq!(found, payload);
    }

    #[test]
    fn no_damage_to_the_payload_goes_unseen(payload in proptest::collection::vec(any::<u8>(), 1..100), at: proptest::sample::Index, bit in 0..8) {
        let envelope = VERSION_1[0].1;
        let mut stored = envelope.seal(&payload).unwrap().to_vec();
        let at = HEADER + at.index(payload.len());
        stored[at] ^= 1_u8 << bit;
        prop_assert_eq!(open(&stored), Err(Corrupt::Checksum { key: "k".into() }));
    }

    #[test]
    fn no_bytes_are_too_odd(mut stored in proptest::collection::vec(any::<u8>(), 0..100), ours: bool) {
        if ours {
            stored.iter_mut().zip(*b"\x8bbwe\x01\x01").for_each(|(byte, begin)| *byte = begin);
        }
        let _ = open(&stored);
    }
}
