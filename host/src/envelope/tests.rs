#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use proptest::prelude::*;

use super::*;

mod tagged;

const PLAIN: Envelope = Envelope {
    holds: Holds::Value,
    compressed: false,
    serializer: StageId::NONE,
    compressor: StageId::NONE,
    created: 0,
    expires: None,
    claim: None,
    took: 0,
};

/// Entries as version 1 wrote them, byte by byte. They must be read for ever; nothing here may be edited.
const VERSION_1: [(&[u8], Envelope, &[u8]); 3] = [
    (
        b"\x8bbwe\x01\x00\x01\x00\x00\x00\x01\x00\x00\x00\xef\xcd\xab\x89\x67\x45\x23\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\xad\x74\x1b\x0f\xf6",
        Envelope {
            serializer: StageId::CBOR,
            compressor: StageId::ZLIB,
            created: 0x0123_4567_89ab_cdef,
            ..PLAIN
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
            ..PLAIN
        },
        b"123456789",
    ),
    (
        b"\x8bbwe\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xa5\x2a\x94\xc2",
        Envelope { created: u64::MAX, ..PLAIN },
        b"",
    ),
];

/// The same of version 2: a value, a value that is claimed, a placeholder, a failure.
fn version_2() -> [(&'static [u8], Envelope, &'static [u8]); 4] {
    let claim = Claim::of_number(0x8877_6655_4433_2211);
    [
        (
            b"\x8bbwe\x02\x01\x04\x03\x02\x81\x08\x07\x06\x85\x01\x00\x00\x00\x00\x00\x00\x00\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xc8\x00\x00\x00\x09\x00\x00\x00\x54\x00\x57\x64123456789",
            Envelope {
                compressed: true,
                serializer: StageId(0x8102_0304),
                compressor: StageId(0x8506_0708),
                created: 1,
                expires: Some(0x102),
                took: 200,
                ..PLAIN
            },
            b"123456789",
        ),
        (
            b"\x8bbwe\x02\x00\x01\x00\x00\x00\x01\x00\x00\x00\xef\xcd\xab\x89\x67\x45\x23\x01\x02\x01\x00\x00\x00\x00\x00\x00\x11\x22\x33\x44\x55\x66\x77\x88\x00\x00\x00\x00\x01\x00\x00\x00\xa7\xea\x11\xfe\xf6",
            Envelope {
                serializer: StageId::CBOR,
                compressor: StageId::ZLIB,
                created: 0x0123_4567_89ab_cdef,
                expires: Some(0x102),
                claim,
                ..PLAIN
            },
            b"\xf6",
        ),
        (
            b"\x8bbwe\x02\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x11\x22\x33\x44\x55\x66\x77\x88\x00\x00\x00\x00\x00\x00\x00\x00\x00\x5f\x33\xfb",
            Envelope { holds: Holds::Nothing, claim, ..PLAIN },
            b"",
        ),
        (
            b"\x8bbwe\x02\x04\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\xf3\xec\x41\x72no!",
            Envelope { holds: Holds::Failure, created: 1, ..PLAIN },
            b"no!",
        ),
    ]
}

/// An entry with tags.
type Tagged = (&'static [u8], Envelope, Vec<Tag>, &'static [u8]);

/// The same of version 3, with the tags: a plain value, and one that is claimed.
fn version_3() -> [Tagged; 2] {
    let claim = Claim::of_number(0x8877_6655_4433_2211);
    [
        (
            b"\x8b\x62\x77\x65\x03\x00\x01\x00\x00\x00\x01\x00\x00\x00\xef\xcd\xab\x89\x67\x45\x23\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x3d\xde\x51\x00\x0a\x00\x01\x61\x11\x22\x33\x44\x55\x66\x77\x88\xf6",
            Envelope { serializer: StageId::CBOR, compressor: StageId::ZLIB, created: 0x0123_4567_89ab_cdef, ..PLAIN },
            vec![tag("a", 0x8877_6655_4433_2211)],
            b"\xf6",
        ),
        (
            b"\x8b\x62\x77\x65\x03\x01\x04\x03\x02\x81\x08\x07\x06\x85\x01\x00\x00\x00\x00\x00\x00\x00\x02\x01\x00\x00\x00\x00\x00\x00\x11\x22\x33\x44\x55\x66\x77\x88\xc8\x00\x00\x00\x09\x00\x00\x00\xb5\x23\x61\x3c\x1b\x00\x07\x75\x73\x65\x72\x3a\x34\x32\x01\x00\x00\x00\x00\x00\x00\x00\x02\xc3\xbc\xff\xff\xff\xff\xff\xff\xff\xff\x31\x32\x33\x34\x35\x36\x37\x38\x39",
            Envelope {
                compressed: true,
                serializer: StageId(0x8102_0304),
                compressor: StageId(0x8506_0708),
                created: 1,
                expires: Some(0x102),
                claim,
                took: 200,
                ..PLAIN
            },
            vec![tag("user:42", 1), tag("ü", u64::MAX)],
            b"123456789",
        ),
    ]
}

fn tag(name: &str, generation: u64) -> Tag {
    Tag { name: name.into(), generation: Generation::of_bytes(generation.to_le_bytes()).unwrap() }
}

fn every_version() -> impl Iterator<Item = (&'static [u8], Envelope, &'static [u8])> {
    VERSION_1.into_iter().chain(version_2())
}

fn header(envelope: &Envelope) -> usize {
    if envelope.version() == 1 { HEADER } else { CLAIMABLE_HEADER }
}

fn open(stored: &[u8]) -> Result<(Envelope, Bytes), Corrupt> {
    Envelope::open("k", Bytes::copy_from_slice(stored))
}

fn entry() -> Vec<u8> {
    VERSION_1[1].0.to_vec()
}

#[test]
fn every_version_ever_written_is_read() {
    for (stored, envelope, payload) in every_version() {
        let (read, found) = open(stored).unwrap();
        assert_eq!(read, envelope);
        assert_eq!(found, payload);
    }
}

#[test]
fn every_version_is_written_byte_by_byte_as_ever() {
    // That a plain entry could expire by itself was never used.
    for (stored, envelope, payload) in
        every_version().filter(|(stored, envelope, _)| stored[4] == 2 || envelope.expires.is_none())
    {
        assert_eq!(envelope.seal(payload).unwrap(), stored);
    }
}

#[test]
fn the_payload_is_not_copied() {
    let stored = Bytes::from(entry());
    let (_, payload) = Envelope::open("k", stored.clone()).unwrap();
    assert_eq!(payload.as_ptr(), stored[HEADER..].as_ptr());
}

#[test]
fn a_script_can_move_expiry_and_claim_in_place() {
    let mut stored = entry();
    stored[22..30].copy_from_slice(&77_u64.to_le_bytes());
    assert_eq!(open(&stored).unwrap().0.expires, Some(77));
    let tagged = version_3().map(|(stored, envelope, _, payload)| (stored, envelope, payload));
    for (stored, envelope, payload) in version_2().into_iter().chain(tagged) {
        let mut moved = stored.to_vec();
        let head = Head::read(stored).unwrap();
        assert_eq!(
            (head.holds, head.expires, head.claim, head.took),
            (envelope.holds, envelope.expires, envelope.claim, envelope.took)
        );
        let claim = Some(Claim::random().unwrap());
        let head = Head { expires: Some(77), claim, ..head };
        head.patch(&mut moved);
        assert_eq!(Head::read(&moved), Some(head));
        assert_eq!(open(&moved).unwrap(), (Envelope { expires: Some(77), claim, ..envelope }, Bytes::from_static(payload)));
        assert_eq!(Head::identity(&moved), Head::identity(stored), "it is still the same entry");
        assert_eq!(has_no_value(stored), envelope.holds != Holds::Value);
    }
}

#[test]
fn what_is_of_no_version_with_a_claim_cannot_be_claimed() {
    for stored in [&entry()[..], b"", b"\x8bbwe\x02 too short", &[b'x'; 99]] {
        assert_eq!((Head::read(stored), Head::identity(stored), has_no_value(stored)), (None, None, false));
        let mut moved = stored.to_vec();
        Head { holds: Holds::Value, expires: Some(1), claim: None, took: 0 }.patch(&mut moved);
        assert_eq!(moved, stored);
    }
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
    for (whole, header) in
        [(&entry()[..], HEADER), (version_2()[0].0, CLAIMABLE_HEADER), (version_3()[1].0, CLAIMABLE_HEADER + 2 + 27)]
    {
        for size in 5..header {
            // How many bytes tags have is not known before.
            let expected = if header > CLAIMABLE_HEADER && size < CLAIMABLE_HEADER + 2 { CLAIMABLE_HEADER + 2 } else { header };
            assert_eq!(open(&whole[..size]), Err(Corrupt::Length { key: "k".into(), size, expected }));
        }
        for size in header..whole.len() {
            assert_eq!(open(&whole[..size]), Err(Corrupt::Length { key: "k".into(), size, expected: whole.len() }));
        }
        let longer = [whole, b"\0"].concat();
        assert_eq!(open(&longer), Err(Corrupt::Length { key: "k".into(), size: longer.len(), expected: whole.len() }));
    }
    assert_eq!(open(b"\x8bbwe"), Err(Corrupt::Length { key: "k".into(), size: 4, expected: HEADER }));
}

#[test]
fn later_versions_and_unknown_flags_are_not_guessed_at() {
    let with = |whole: &[u8], at: usize, byte| {
        let mut stored = whole.to_vec();
        stored[at] = byte;
        open(&stored)
    };
    for version in [4, 5, 255] {
        assert_eq!(with(&entry(), 4, version), Err(Corrupt::Version { key: "k".into(), version, newest: 3 }));
        assert_eq!(open(&[0x8b, b'b', b'w', b'e', version]), Err(Corrupt::Version { key: "k".into(), version, newest: 3 }));
    }
    for flags in [2, 3, 0x80] {
        assert_eq!(with(&entry(), 5, flags), Err(Corrupt::Flags { key: "k".into(), flags }));
    }
    for flags in [6, 7, 8, 0x80] {
        assert_eq!(with(version_2()[0].0, 5, flags), Err(Corrupt::Flags { key: "k".into(), flags }));
        assert_eq!(with(version_3()[0].0, 5, flags), Err(Corrupt::Flags { key: "k".into(), flags }));
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
fn damage_anywhere_but_in_what_scripts_move_is_seen() {
    for (whole, moved) in [(&entry()[..], 22..30), (version_2()[0].0, 22..38), (version_3()[1].0, 22..38)] {
        for at in (0..whole.len()).filter(|at| !moved.contains(at)) {
            for bit in 0..8 {
                let mut stored = whole.to_vec();
                stored[at] ^= 1_u8 << bit;
                assert!(open(&stored).is_err(), "bit {bit} of byte {at}");
            }
        }
    }
}

proptest! {
    #[test]
    fn what_is_sealed_is_opened(
        compressed: bool, stages: [u32; 2], created: u64, expires in proptest::option::of(1_u64..), claim: u64, took: u32, kind in 0..3, payload: Vec<u8>,
    ) {
        let [serializer, compressor] = stages.map(StageId);
        let holds = if kind == 0 { Holds::Failure } else { Holds::Value };
        let claim = Claim::of_number(claim);
        let envelope = Envelope { holds, compressed, serializer, compressor, created, expires, claim, took };
        let plain = Envelope { holds: Holds::Value, expires: None, claim: None, took: 0, ..envelope };
        let envelope = if kind == 1 { plain } else { envelope };
        let stored = envelope.seal(&payload).unwrap();
        prop_assert_eq!(stored.len(), header(&envelope) + payload.len());
        prop_assert_eq!(Head::read(&stored).is_some(), envelope.version() == 2);
        let (read, found) = Envelope::open("k", stored.clone()).unwrap();
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
    fn no_bytes_are_too_odd(mut stored in proptest::collection::vec(any::<u8>(), 0..100), version in 0..=VERSION) {
        if version > 0 {
            stored.iter_mut().zip([0x8b, b'b', b'w', b'e', version, 1]).for_each(|(byte, begin)| *byte = begin);
        }
        let _ = open(&stored);
        let before = super::tags(&stored);
        prop_assert!(before.is_empty() || is_tagged(&stored));
        if let Some(head) = Head::read(&stored) {
            head.patch(&mut stored);
            prop_assert_eq!(Head::read(&stored), Some(head));
        }
    }
}
