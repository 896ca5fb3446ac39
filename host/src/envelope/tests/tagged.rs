//! Version 3, and what the key of a tag holds.

use super::*;

#[test]
fn version_3_is_read_and_written_byte_by_byte_as_ever() {
    for (stored, envelope, tags, payload) in version_3() {
        assert_eq!(open(stored).unwrap(), (envelope, Bytes::from_static(payload)));
        assert!(is_tagged(stored));
        assert_eq!(super::super::tags(stored), tags);
        assert_eq!(super::super::tags(&stored[..stored.len() - payload.len()]), tags, "the payload is not needed");
        assert_eq!(super::super::tags(&stored[..stored.len() - payload.len() - 1]), []);
        assert_eq!(envelope.seal_with(&tags, payload).unwrap(), stored);
        let untagged = envelope.seal(payload).unwrap();
        assert_eq!(envelope.seal_with(&[], payload).unwrap(), untagged);
        assert!(!is_tagged(&untagged) && super::super::tags(&untagged).is_empty());
    }
}

#[test]
fn tags_that_cannot_be_are_refused_and_not_read() {
    let sealed = |tags: &[Tag]| PLAIN.seal_with(tags, b"payload");
    assert!(matches!(sealed(&[tag("", 1)]), Err(Error::Invalid(_))));
    assert!(matches!(sealed(&[tag(&"x".repeat(129), 1)]), Err(Error::Limit(Limit::Size { what: "tag", .. }))));
    let many = |count: u32| (0..count).map(|n| tag(&n.to_string(), 1)).collect::<Vec<_>>();
    assert!(matches!(sealed(&many(17)), Err(Error::Limit(Limit::Count { max: 16, .. }))));
    let longest: Vec<_> = (0..16_u8).map(|n| tag(&char::from(b'a' + n).to_string().repeat(128), 1)).collect();
    assert_eq!(sealed(&longest).unwrap().len(), 52 + 2192 + "payload".len());
    // Sections that are whole, but for what is in them.
    let generation = [1; 8];
    let one = |name: &[u8]| [&[u8::try_from(name.len()).unwrap()], name, &generation].concat();
    let odd: [Vec<u8>; 7] = [
        Vec::new(),
        one(b""),
        one(&[b'x'; 129]),
        one(b"\xff"),
        one(b"a").repeat(17),
        [&[1, b'a'], &[0; 8][..]].concat(),
        vec![9, b'a'],
    ];
    for section in odd {
        let section = [&u16::try_from(section.len()).unwrap().to_le_bytes()[..], &section].concat();
        let stored = layout::seal_tagged(&PLAIN, &section, b"payload").unwrap();
        assert_eq!(open(&stored), Err(Corrupt::Tags { key: "k".into() }), "{section:?}");
        assert!(is_tagged(&stored) && super::super::tags(&stored).is_empty());
    }
    // A repeated tag is as good as one.
    let section = [&20_u16.to_le_bytes()[..], &one(b"a").repeat(2)].concat();
    assert!(open(&layout::seal_tagged(&PLAIN, &section, b"payload").unwrap()).is_ok());
}

#[test]
fn what_a_tag_s_key_holds_is_understood() {
    for state in [
        TagState::default(),
        TagState { generation: Generation::of_bytes([1; 8]), invalidated: 0 },
        TagState { generation: None, invalidated: u64::MAX },
    ] {
        assert_eq!(TagState::read(&state.to_bytes()), state);
    }
    let state = TagState { generation: Generation::of_bytes([1, 2, 3, 4, 5, 6, 7, 8]), invalidated: 0x102 };
    assert_eq!(&state.to_bytes(), b"\x01\x02\x03\x04\x05\x06\x07\x08\x02\x01\x00\x00\x00\x00\x00\x00");
    for odd in [&b""[..], &[1; 15], &[1; 17], &[1; 24], b"a stranger's text"] {
        assert_eq!(TagState::read(odd), TagState::default());
    }
}

proptest! {
    #[test]
    fn what_is_sealed_with_tags_is_opened(
        names in proptest::collection::btree_set(any::<String>().prop_filter("a tag", |name| (1..=128).contains(&name.len())), 1..16),
        generations: [u64; 16], expires in proptest::option::of(1_u64..), claim: u64, payload: Vec<u8>,
    ) {
        let tags: Vec<_> = names.iter().zip(generations).map(|(name, number)| tag(name, number | 1)).collect();
        let envelope = Envelope { expires, claim: Claim::of_number(claim), ..PLAIN };
        let stored = envelope.seal_with(&tags, &payload).unwrap();
        prop_assert_eq!(super::super::tags(&stored), tags);
        prop_assert_eq!(Envelope::open("k", stored.clone()).unwrap(), (envelope, Bytes::from(payload)));
        prop_assert!(Head::read(&stored).is_some() && Peek::at(&stored).is_some());
    }
}
