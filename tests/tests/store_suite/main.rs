//! What every store promises, asked of each kind of them: in memory, one server, behind Sentinel, and a cluster.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bellwether::Error;
use bellwether::clock::Span;
use bellwether::error::Invalid;
use bellwether::glob::Glob;
use bellwether::names::{LockKeys, Prefix};
use bellwether::store::{
    self, Attempt, Entry, Holding, Queueing, Release, Released, Renewal, Store, StoreOptions, Ticket, Token, Ttl, Watch, Word,
};
use bellwether_tests::{Cluster, Sentinel, Server};
use bytes::Bytes;
use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start().unwrap());
static SENTINEL: LazyLock<Sentinel> = LazyLock::new(|| Sentinel::start().unwrap());
static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| Cluster::start().unwrap());

type Shared = Arc<dyn Store>;

async fn opened(url: &str) -> Shared {
    // Time-outs are for the tests of faults; here, many tests share two processors.
    let options = StoreOptions { connect_timeout: Duration::from_secs(20), response_timeout: Duration::from_secs(20) };
    store::open(url, &options).await.unwrap()
}

#[path = "../common/attempts.rs"]
mod attempts;
mod bad_input;
mod browse;
mod claims;
mod entries;
mod foreign;
mod locks;
mod many;
mod model;
mod outside;
mod queues;
mod shared;
mod sightings;
mod tags;
mod watches;

use attempts::{Attempts, ticket};

macro_rules! every_store {
    ($($group:ident::$test:ident)*) => {
        every_store! { in memory "memory:".to_owned(), $($group::$test)* }
        every_store! { in server SERVER.url(), $($group::$test)* }
        every_store! { in sentinel SENTINEL.url(), $($group::$test)* }
        every_store! { in cluster CLUSTER.url(), $($group::$test)* }
    };
    (in $kind:ident $url:expr, $($group:ident::$test:ident)*) => {
        mod $kind {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let store = opened(&$url).await;
                    $group::$test(store, concat!(stringify!($kind), "-", stringify!($test))).await;
                }
            )*
        }
    };
}

every_store! {
    locks::a_lock_excludes
    locks::a_lock_without_lease_lasts
    locks::only_one_of_many_acquires
    locks::fences_rise
    locks::the_same_token_acquires_again
    locks::a_release_is_told_apart
    locks::a_lease_ends
    locks::a_lease_is_extended
    locks::leases_are_renewed_together
    locks::a_lock_is_adopted
    locks::a_token_is_adopted_once
    locks::an_adoption_that_comes_after_its_release_is_refused
    locks::an_attempt_that_comes_after_its_release_is_refused
    locks::a_release_is_told_again_after_others
    sightings::a_holder_is_seen_without_its_secret
    sightings::held_locks_are_found_under_their_prefix
    sightings::a_prefix_of_locks_is_literal
    sightings::a_lock_is_broken_and_its_holder_fenced_out
    sightings::a_broken_lock_goes_to_the_first_who_waits
    sightings::only_the_holder_that_was_seen_is_broken
    sightings::all_holders_of_a_shared_lock_are_seen
    sightings::more_holders_are_counted_than_told
    sightings::one_of_many_holders_is_broken_and_the_others_go_on
    sightings::readers_are_broken_for_a_writer_and_a_writer_for_readers
    watches::names_may_have_braces
    watches::a_grant_reaches_all_watches
    watches::a_watch_hears_only_its_lock
    watches::a_watch_hears_what_comes_before_it_listens
    queues::a_release_gives_the_lock_to_the_first
    queues::a_fair_attempt_passes_nobody
    queues::a_place_that_is_kept_stays_the_same
    queues::who_has_left_is_passed_over
    queues::a_holder_passes_the_lock_to_the_next_it_names
    queues::a_holder_yields_to_who_came_before
    queues::a_grant_lasts_a_moment_until_it_is_confirmed
    queues::a_lease_that_ended_is_noticed_by_who_asks
    queues::a_late_attempt_does_not_shorten_a_lease
    shared::many_read_or_one_writes
    shared::permits_are_counted_and_come_back
    shared::leases_of_a_shared_lock_run_each_for_itself
    shared::a_release_lets_in_as_many_as_fit
    shared::a_place_that_is_given_up_lets_in_those_behind
    shared::a_lease_that_ended_lets_in_the_first_when_anybody_asks
    shared::three_kinds_of_one_name_are_three_things
    shared::readers_and_writers_take_turns
    many::many_locks_are_taken_or_none
    many::many_locks_without_lease_last
    many::many_locks_are_taken_past_others_unless_fair
    many::many_locks_go_from_hand_to_hand
    bad_input::a_token_that_was_never_issued_opens_nothing
    bad_input::a_lock_that_expired_is_not_adopted
    bad_input::a_second_release_says_that_there_is_nothing_to_release
    bad_input::a_lock_that_was_lost_gets_no_more_time
    bad_input::what_a_kind_cannot_be_is_said
    entries::entries_are_kept
    entries::entries_expire
    entries::any_bytes_are_kept
    entries::many_entries_are_kept_in_order
    entries::entries_are_deleted
    entries::a_prefix_is_literal
    entries::many_entries_are_deleted_by_pattern
    entries::a_store_is_checked
    browse::entries_are_met_and_looked_at
    browse::placeholders_and_failures_are_seen_as_such
    browse::a_walk_can_be_ended
    claims::what_is_not_there_is_claimed_by_one
    claims::a_claim_ends_with_its_lease
    claims::a_claim_is_prolonged
    claims::what_is_not_due_is_a_hit
    claims::a_due_entry_is_claimed_by_one_and_given_to_the_others
    claims::a_late_fill_replaces_nothing
    claims::a_late_fill_fills_what_is_gone
    claims::a_fill_can_be_repeated
    claims::a_claim_that_is_given_up_can_be_taken
    claims::a_value_has_no_more_time_by_claims_that_are_given_up
    claims::what_is_claimed_keeps_its_time_to_live
    claims::a_placeholder_is_no_entry
    claims::a_failure_is_no_entry
    claims::who_waits_is_told
    claims::many_are_filled
    claims::what_cannot_be_claimed_is_a_hit
    tags::a_generation_is_begun_once_and_ends
    tags::an_invalidation_is_remembered
    tags::a_generation_lasts_as_long_as_its_entries
    tags::many_tags_are_asked_for_at_once
    tags::what_is_left_is_told_with_its_tags
    tags::an_entry_is_discarded_only_if_it_is_the_same
    tags::an_entry_with_tags_is_claimed_and_filled_as_any
    tags::tags_are_invalidated_with_what_begins_alike_and_do_not_count
    model::any_sequence_gives_what_the_model_gives
}

fn lock(name: &str) -> LockKeys {
    LockKeys::new(&Prefix::default(), name).unwrap()
}

fn token() -> Token {
    Token::random().unwrap()
}

fn ms(millis: u64) -> Span {
    Span::new("time", Duration::from_millis(millis)).unwrap()
}

const LONG: u64 = 60_000;

fn fence(attempt: Attempt) -> u64 {
    match attempt {
        Attempt::Acquired { fence } => fence,
        Attempt::Busy { .. } => panic!("the lock is busy"),
    }
}

fn left(holding: Holding) -> Duration {
    match holding {
        Holding::Left(left) => left,
        other => panic!("{other:?} where there should be time left"),
    }
}

fn entry(key: &str, bytes: impl Into<Bytes>) -> Entry {
    Entry { key: key.into(), bytes: bytes.into() }
}

async fn quiet(watch: &mut Watch) -> bool {
    timeout(Duration::from_millis(50), watch.heard()).await.is_err()
}

/// Has a lease end that was to last until others wait.
async fn ends_soon(store: &Shared, lock: &LockKeys, holder: &Token) {
    let renewal = Renewal { lock: lock.clone(), token: holder.clone(), lease: Some(ms(30)) };
    let [Ok(Holding::Left(_))] = store.renew(&[renewal]).await[..] else { panic!("the lock is lost") };
}
