//! What ends a copy in the ordinary way.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_saves_the_question_and_ends_with_any_change() {
    let server = Server::start().unwrap();
    let (here, there) = two(&server.url()).await;
    assert_eq!(read(&here, "a").await, None);
    there.set("a", &1, None).await.unwrap();
    is_copied(&here, "a", &[&server]).await;
    there.set("a", &2, None).await.unwrap();
    reads(&here, "a", Some(2)).await;
    is_copied(&here, "a", &[&server]).await;

    // One's own writes are read at once.
    for value in 3..50 {
        here.set("a", &value, None).await.unwrap();
        assert_eq!(read(&here, "a").await, Some(value));
        assert_eq!(here.get_many::<u32, _>(["a"]).await.unwrap(), [Some(value)]);
    }
    is_copied(&here, "a", &[&server]).await;
    assert!(here.delete("a").await.unwrap());
    assert_eq!(read(&here, "a").await, None);
    here.set("a", &5, None).await.unwrap();
    is_copied(&here, "a", &[&server]).await;
    assert_eq!(here.delete_pattern("*").await.unwrap(), 1);
    assert_eq!(read(&here, "a").await, None);

    // So are others', in whatever way they are made.
    let key = here.entry_key("a").await.unwrap();
    for command in [&["DEL", &key][..], &["FLUSHALL"], &["PEXPIRE", &key, "1"], &["RENAME", &key, "other"]] {
        here.set("a", &6, None).await.unwrap();
        is_copied(&here, "a", &[&server]).await;
        server.command::<redis::Value>(command).unwrap();
        reads(&here, "a", None).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_no_envelope_is_copied_too_and_ends_with_what_other_programs_write() {
    let server = Server::start().unwrap();
    let plain = CacheOptions { near: Some(true), envelope: EnvelopeChoice::None, ..CacheOptions::default() };
    let plain = CacheOptions { serializer: "json".into(), compressor: StageChoice::None, ..plain };
    let here = opened(&server.url(), OLD, plain).await;
    let key = here.entry_key("a").await.unwrap();
    let write = |words: &[&str]| server.command::<redis::Value>(words).unwrap();
    assert_eq!(read(&here, "a").await, None);
    for value in 1..5 {
        write(&["SET", &key, &value.to_string()]);
        reads(&here, "a", Some(value)).await;
        is_copied(&here, "a", &[&server]).await;
        assert_eq!(read(&here, "a").await, Some(value));
    }
    here.set("a", &5, None).await.unwrap();
    assert_eq!(read(&here, "a").await, Some(5), "one's own write");
    is_copied(&here, "a", &[&server]).await;
    write(&["APPEND", &key, "6"]);
    reads(&here, "a", Some(56)).await;
    is_copied(&here, "a", &[&server]).await;
    // What is no value is not copied, and is one no longer.
    write(&["SET", &key, "{"]);
    let end = Instant::now() + SOON;
    while here.get::<u32>("a").await.is_ok() {
        assert!(Instant::now() < end, "the value that was there is still read");
    }
    write(&["SET", &key, "7", "PX", "100"]);
    reads(&here, "a", None).await;
    here.set("a", &8, Some(Duration::from_millis(100))).await.unwrap();
    reads(&here, "a", None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_lasts_no_longer_than_its_entry_or_its_age() {
    let server = Server::start_with(ServerOptions::default().with(&["enable-debug-command", "local"])).unwrap();
    // The server does not look for what has expired, nor does anybody ask it, so nobody tells.
    server.command::<()>(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]).unwrap();
    let (here, there) = two(&server.url()).await;
    there.set("long", &1, None).await.unwrap();
    is_copied(&here, "long", &[&server]).await;
    let begun = Instant::now();
    here.set("short", &1, Some(Duration::from_secs(1))).await.unwrap();
    assert_eq!(read(&here, "short").await, Some(1));
    reads(&here, "short", None).await;
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());

    let aging = cache(&server.url(), true, Duration::from_secs(1)).await;
    is_copied(&aging, "long", &[&server]).await;
    assert_eq!(read(&aging, "long").await, Some(1));
    server.pause().unwrap();
    // The one that stands still is not asked as long as there is a copy.
    assert_eq!(read(&here, "long").await, Some(1));
    let end = Instant::now() + SOON;
    while aging.get::<u32>("long").await.is_ok() {
        assert!(Instant::now() < end, "a copy does not age");
        sleep(Duration::from_millis(10)).await;
    }
    server.resume().unwrap();
}

#[test]
fn what_any_handle_of_the_same_caches_writes_is_read_at_once() {
    let server = Server::start().unwrap();
    // News is heard in the one that listens, which stands still unless it is waited for.
    let listening = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let working = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let store = working.block_on(store::open(&server.url(), &StoreOptions::default())).unwrap();
    let policy = CachePolicy { near: NearLimits { age: OLD, ..NearLimits::default() }, ..CachePolicy::default() };
    let caches = Caches::new(store).with_policy(policy);
    let open = |caches: &Caches, near, serializer: &str| {
        let reads_serializers = Some(vec!["cbor".into(), "json".into()]);
        let options =
            CacheOptions { near: Some(near), serializer: serializer.into(), reads_serializers, ..CacheOptions::default() };
        caches.open("near", Some(options)).unwrap()
    };
    let here = open(&caches, true, "cbor");
    let far = open(&caches, false, "cbor");
    let others = [&far, &open(&caches, true, "json"), &open(&caches.with_prefix(Prefix::default()), false, "json")];
    working.block_on(far.set("a", &0, None)).unwrap();
    let copied = || listening.block_on(is_copied(&here, "a", &[&server]));
    let read = || working.block_on(read(&here, "a"));
    for (value, other) in (1..).zip(others) {
        copied();
        working.block_on(other.set("a", &value, None)).unwrap();
        assert_eq!(read(), Some(value), "{other:?}");
        copied();
        let filled = async {
            assert!(other.delete("a").await.unwrap());
            let Found::Vacant(vacancy) = other.lookup::<u32>("a", Duration::ZERO).await.unwrap() else { panic!("{other:?}") };
            vacancy.fill(&(value + 100), None).await.unwrap()
        };
        assert!(working.block_on(filled));
        assert_eq!(read(), Some(value + 100), "{other:?}");
    }
    copied();
    assert_eq!(working.block_on(far.delete_pattern("*")).unwrap(), 1);
    assert_eq!(read(), None);
}

#[tokio::test]
async fn where_the_store_is_in_the_process_nothing_is_copied() {
    let here = cache("memory:", true, OLD).await;
    here.set("a", &1, None).await.unwrap();
    assert_eq!(read(&here, "a").await, Some(1));
    here.set("a", &2, None).await.unwrap();
    assert_eq!(read(&here, "a").await, Some(2));
}
