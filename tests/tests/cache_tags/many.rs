//! Many entries with tags in one call: they are asked for 384 at a time.

use super::*;

const MANY: usize = 1_000;

/// Sets an entry for each key, with tags by its number.
async fn set_by_number(cache: &Cache, keys: &[String]) {
    for (kind, tags) in KINDS.iter().enumerate() {
        let entries = keys.iter().enumerate().skip(kind).step_by(KINDS.len()).map(|(number, key)| (key, number));
        cache.with_tags(*tags).unwrap().set_many(entries, None).await.unwrap();
    }
}

const KINDS: [&[&str]; 5] = [&["x"], &["y"], &["x", "y"], &["z"], &[]];

/// What is read of these numbers once a tag was invalidated.
fn left(numbers: &[usize], invalidated: &str) -> Vec<Option<usize>> {
    let stands = |number: &usize| !KINDS[number % KINDS.len()].contains(&invalidated);
    numbers.iter().map(|number| Some(*number).filter(stands)).collect()
}

/// Each twice in places far from each other, and one three times in a row. Every few in a row are of all kinds.
fn numbers() -> Vec<usize> {
    (0..MANY).chain((0..MANY).rev()).chain([7, 7, 7]).collect()
}

async fn only_those_with_the_tag_are_gone(here: &Cache, there: &Cache) {
    let (keys, numbers) = (keys(MANY), numbers());
    let read = async || there.get_many::<usize, _>(numbers.iter().map(|number| &keys[*number])).await.unwrap();
    for tag in ["y", "x", "z"] {
        set_by_number(here, &keys).await;
        assert_eq!(read().await, left(&numbers, "none"));
        assert!(here.invalidate_tag(tag).await.unwrap());
        let left = left(&numbers, tag);
        assert_eq!(read().await, left);
        // Who found them has deleted them, and no others.
        let stored = left[..MANY].iter().flatten().count();
        assert_eq!(there.stats(u64::MAX).await.unwrap().entries, stored as u64);
    }
}

#[tokio::test]
async fn of_many_entries_only_those_with_the_tag_are_gone() {
    let store = store::open("memory:", &StoreOptions::default()).await.unwrap();
    let caches = Caches::new(store);
    let open = || caches.open("pages", None).unwrap();
    only_those_with_the_tag_are_gone(&open(), &open()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_entries_on_a_server_only_those_with_the_tag_are_gone() {
    let server = Server::start().unwrap();
    let (here, there) = (plain(&server.url()).await, plain(&server.url()).await);
    only_those_with_the_tag_are_gone(&here, &there).await;
    // Each entry is asked for once, and each of the three tags once for each 384 entries or rest of them.
    let (keys, numbers) = (keys(MANY), numbers());
    set_by_number(&here, &keys).await;
    let mut counting = Counting::on(&server).unwrap();
    let read = there.get_many::<usize, _>(numbers.iter().map(|number| &keys[*number]));
    let commands = costs::costs(&mut counting, read).await;
    assert_eq!((commands.of("get"), commands.sent()), ((MANY + 3 * MANY.div_ceil(384)) as u64, 0), "{commands}");
}
