//! What stores promise of entries.

use super::*;

pub(crate) async fn entries_are_kept(store: Shared, name: &str) {
    let first = entry(name, "first");
    assert_eq!(store.get(name).await.unwrap(), None);
    assert!(!store.exists(name).await.unwrap());
    assert_eq!(store.ttl(name).await.unwrap(), Ttl::Absent);
    store.set(&first, None).await.unwrap();
    assert_eq!(store.get(name).await.unwrap().unwrap(), "first");
    assert!(store.exists(name).await.unwrap());
    assert_eq!(store.ttl(name).await.unwrap(), Ttl::Persistent);
    store.set(&entry(name, "second"), Some(ms(LONG))).await.unwrap();
    assert_eq!(store.get(name).await.unwrap().unwrap(), "second");
    match store.ttl(name).await.unwrap() {
        Ttl::Remaining(left) => assert!(left <= ms(LONG).duration() && left > ms(LONG / 2).duration()),
        other => panic!("{other:?}"),
    }
    store.set(&first, None).await.unwrap();
    assert_eq!(store.ttl(name).await.unwrap(), Ttl::Persistent);
}

pub(crate) async fn entries_expire(store: Shared, name: &str) {
    store.set(&entry(name, "brief"), Some(ms(20))).await.unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    while store.exists(name).await.unwrap() {
        assert!(Instant::now() < end, "20 ms do not end");
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(store.get(name).await.unwrap(), None);
    assert_eq!(store.ttl(name).await.unwrap(), Ttl::Absent);
    assert_eq!(store.delete(&[name.to_owned()]).await.unwrap(), 0);
}

pub(crate) async fn any_bytes_are_kept(store: Shared, name: &str) {
    let all: Vec<u8> = (0..=255).collect();
    let large = all.repeat(8192);
    for bytes in [Vec::new(), all, large] {
        store.set(&entry(name, bytes.clone()), None).await.unwrap();
        assert!(store.get(name).await.unwrap().unwrap() == bytes, "{} bytes came back as others", bytes.len());
    }
}

pub(crate) async fn many_entries_are_kept_in_order(store: Shared, name: &str) {
    assert!(store.get_many(&[]).await.unwrap().is_empty());
    store.set_many(&[], None).await.unwrap();
    let entries: Vec<_> = (0..200).map(|number| entry(&format!("{name}-{number}"), number.to_string())).collect();
    store.set_many(&entries, Some(ms(LONG))).await.unwrap();
    assert!(matches!(store.ttl(&entries[7].key).await.unwrap(), Ttl::Remaining(_)));
    // Every second is there, and one twice.
    let mut keys: Vec<_> = (0..200).map(|number| format!("{name}-{}", number * 2)).collect();
    keys.push(keys[3].clone());
    let values = store.get_many(&keys).await.unwrap();
    assert_eq!(values.len(), keys.len());
    for (number, value) in values.iter().take(200).enumerate() {
        let stored = (number < 100).then(|| Bytes::from((number * 2).to_string()));
        assert_eq!(*value, stored, "{number}");
    }
    assert_eq!(values[200], values[3]);
}

pub(crate) async fn entries_are_deleted(store: Shared, name: &str) {
    assert_eq!(store.delete(&[]).await.unwrap(), 0);
    let entries: Vec<_> = (0..50).map(|number| entry(&format!("{name}-{number}"), "x")).collect();
    store.set_many(&entries, None).await.unwrap();
    let mut keys: Vec<_> = (25..75).map(|number| format!("{name}-{number}")).collect();
    keys.push(format!("{name}-30"));
    assert_eq!(store.delete(&keys).await.unwrap(), 25);
    assert_eq!(store.delete(&keys).await.unwrap(), 0);
    assert!(store.exists(&format!("{name}-24")).await.unwrap());
}

pub(crate) async fn a_prefix_is_literal(store: Shared, name: &str) {
    for prefix in
        [format!("{name}*:"), format!("{name}?[a-z]:"), format!("{name}{{tag}}:"), format!("{name}\\:"), format!("{name}^é")]
    {
        let inside: Vec<_> = ["a", "b*", "[c]", "é"].iter().map(|rest| entry(&format!("{prefix}{rest}"), "x")).collect();
        let outside = entry(&format!("{name}xb:{}", prefix.len()), "x");
        store.set_many(&inside, None).await.unwrap();
        store.set(&outside, None).await.unwrap();
        let but_one = store.delete_matching(&prefix, &Glob::any(), &|rest| rest != "b*").await.unwrap();
        assert_eq!(but_one, 3, "{prefix}");
        assert!(store.exists(&inside[1].key).await.unwrap());
        assert_eq!(store.delete_matching(&prefix, &Glob::new("b\\*").unwrap(), &|_| true).await.unwrap(), 1, "{prefix}");
        assert!(store.exists(&outside.key).await.unwrap(), "{prefix} reached beyond itself");
    }
}

pub(crate) async fn many_entries_are_deleted_by_pattern(store: Shared, name: &str) {
    let entries: Vec<_> = (0..3000).map(|number| entry(&format!("{name}:{number}"), "x")).collect();
    store.set_many(&entries, None).await.unwrap();
    let prefix = format!("{name}:");
    let pattern = Glob::new("1*").unwrap();
    // 1, 10 to 19, 100 to 199, 1000 to 1999
    assert_eq!(store.delete_matching(&prefix, &pattern, &|rest| pattern.matches(rest)).await.unwrap(), 1111);
    assert_eq!(store.delete_matching(&prefix, &Glob::any(), &|_| true).await.unwrap(), 3000 - 1111);
    assert_eq!(store.delete_matching(&prefix, &Glob::any(), &|_| true).await.unwrap(), 0);
}

pub(crate) async fn a_store_is_checked(store: Shared, _: &str) {
    store.check().await.unwrap();
    assert!(!store.address().is_empty());
}
