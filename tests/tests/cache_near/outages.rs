//! News that does not come.

use super::*;

#[test]
fn changes_are_told_on_when_the_runtime_ends_that_listened() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let server = Server::start().unwrap();
    let there = second.block_on(cache(&server.url(), false, OLD));
    let here = first.block_on(cache(&server.url(), true, OLD));
    second.block_on(there.set("a", &1, None)).unwrap();
    first.block_on(is_copied(&here, "a", &[&server]));
    assert_eq!(second.block_on(read(&here, "a")), Some(1));
    drop(first);
    second.block_on(async {
        there.set("a", &2, None).await.unwrap();
        reads(&here, "a", Some(2)).await;
        is_copied(&here, "a", &[&server]).await;
        there.set("a", &3, None).await.unwrap();
        reads(&here, "a", Some(3)).await;
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_while_no_news_comes_is_not_missed() {
    let server = Server::start().unwrap();
    let (here, there) = two(&server.url()).await;
    for value in 0..20 {
        there.set("a", &value, None).await.unwrap();
        is_copied(&here, "a", &[&server]).await;
        // The connections of both, for requests and for news.
        server.command::<u64>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).unwrap();
        let end = Instant::now() + SOON;
        while there.set("a", &(value + 100), None).await.is_err() {
            assert!(Instant::now() < end, "no new connection is made");
        }
        reads(&here, "a", Some(value + 100)).await;
    }
}
