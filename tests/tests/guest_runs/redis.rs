//! The same guests on a real server, from more than one runtime.

use bellwether::guest::Quotas;
use bellwether::store::StoreOptions;
use bellwether_tests::Server;

use super::*;

/// A runtime with connections of its own, as another process would have them.
async fn on(server: &Server) -> (Runtime, Guest) {
    load(builder().store(server.url())).await
}

#[tokio::test]
async fn locks_and_entries_are_what_they_are_in_memory() {
    let server = Server::start().unwrap();
    let (_runtime, guest) = on(&server).await;
    let (_memory, in_memory) = probe().await;
    for doing in
        ["lock life a", "lock hand-over a", "lock cancel a", "cache life a", "cache many b", "cache null c", "cache content d"]
    {
        assert_eq!(run(&guest, doing).await.lines(), run(&in_memory, doing).await.lines(), "{doing}");
    }
    assert_eq!(run(&guest, "cache concurrent e 1000").await.lines(), ["set 1000", "get 1000"]);
    assert_eq!(run(&guest, "lock queue f 50").await.lines(), ["50 different fences"]);
}

#[tokio::test]
async fn guests_of_two_runtimes_exclude_each_other_and_share_entries() {
    let server = Server::start().unwrap();
    let ((one, here), (_two, there)) = (on(&server).await, on(&server).await);
    assert_eq!(run(&here, "cache set pages key value").await.lines(), ["Ok(())"]);
    assert!(run(&there, "cache get pages key").await.lines()[0].starts_with("Ok(Some("));

    let token = run(&here, "lock hand-out a").await.lines()[0].to_owned();
    assert_eq!(run(&there, "lock try a").await.lines(), ["Ok(false)"]);
    let waiting = run(&there, "lock wait a forever");
    let releasing = async {
        until("the wait", async || server.command::<Vec<String>>(&["PUBSUB", "CHANNELS"]).unwrap().len() == 1).await;
        one.locks().open("a", LockOptions::default()).unwrap().adopt(&token).await.unwrap().release().await.unwrap();
    };
    let (waited, ()) = tokio::join!(waiting, releasing);
    assert_eq!(waited.lines(), ["Ok(true)"]);
}

#[tokio::test]
async fn what_a_guest_holds_when_it_traps_is_deleted_from_the_server() {
    let server = Server::start().unwrap();
    let (runtime, guest) = on(&server).await;
    assert!(matches!(run(&guest, "lock hold-and trap held").await.end, Err(GuestError::Trapped { .. })));
    runtime.shutdown().await;
    assert_eq!(server.command::<u64>(&["EXISTS", "held"]).unwrap(), 0);
}

#[tokio::test]
async fn a_lock_that_somebody_breaks_is_known_to_be_lost() {
    let server = Server::start().unwrap();
    let (_runtime, guest) = on(&server).await;
    let breaking = until("the lock", async || server.command::<u64>(&["DEL", "broken"]).unwrap() == 1);
    let (ran, ()) = tokio::join!(run(&guest, "lock broken broken"), breaking);
    assert_eq!(ran.lines(), ["held", "lost, release Err(Error::NotHeld)"]);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_an_error_within_the_time_out() {
    let server = Server::start().unwrap();
    let options = StoreOptions { response_timeout: Duration::from_millis(300), ..StoreOptions::default() };
    let (_runtime, guest) = load(builder().store(server.url()).store_options(options)).await;
    server.pause().unwrap();
    let ran = run(&guest, "cache get a key").await;
    assert!(ran.lines()[0].starts_with("Err(Error::Unavailable(\"the store redis://127.0.0.1:"), "{ran:?}");
    server.resume().unwrap();
    assert_eq!(run(&guest, "cache get a key").await.lines(), ["Ok(None)"]);
}

#[tokio::test]
async fn a_call_is_in_flight_until_its_answer_is_taken() {
    let server = Server::start().unwrap();
    let (_runtime, guest) = on(&server).await;
    let quotas = GuestLimits { quotas: Quotas { calls: 20, ..Quotas::default() }, ..GuestLimits::default() };
    let ran = run_with(&guest, "misbehave hoard 20", GuestRun::default().limits(quotas)).await;
    assert_eq!(ran.lines(), ["refused 0 and 20"]);
}

/// Each call needs more than one step here: a connection has to be made first, and a script to be loaded.
#[tokio::test]
async fn what_a_guest_asked_for_goes_on_while_it_computes() {
    let server = Server::start().unwrap();
    let options = StoreOptions { response_timeout: Duration::from_secs(1), ..StoreOptions::default() };
    let (_runtime, guest) = load(builder().store(server.url()).store_options(options)).await;
    server.command::<u64>(&["CLIENT", "KILL", "TYPE", "normal"]).unwrap();
    let mut running = Box::pin(run(&guest, "cache compute a 3000"));
    tokio::select! {
        ran = &mut running => panic!("the guest was waited for: {ran:?}"),
        () = until("the entry", async || server.command::<u64>(&["EXISTS", "cache:a:key"]).unwrap() == 1) => {}
    }
    assert_eq!(running.await.lines(), ["set Ok(()), lookup true"]);
}
