//! The scripts that take and release a lock begin with a short way for what is usual. Whoever takes it leaves the same behind, and
//! answers the same, as by the general way: two locks on a real server go through the same history, one by the scripts as they
//! are, the other without the short ways, and are compared after each step.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod history;
mod rights;
mod scripts;
mod state;

use std::cell::RefCell;

use bellwether_tests::Server;
use history::{Step, history};
use proptest::test_runner::{Config, TestRunner};
use redis::{Connection, PubSub};
use scripts::{Side, Way};

#[test]
fn the_usual_way_is_the_general_way() {
    let server = Server::start().unwrap();
    let (connection, mut listener) = (RefCell::new(server.connection().unwrap()), server.connection().unwrap());
    let words = RefCell::new(scripts::listen(&mut listener));
    let config = Config { cases: 250, max_shrink_iters: 2_000, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&history(), |steps| {
        compare(&mut connection.borrow_mut(), &mut words.borrow_mut(), &steps);
        Ok(())
    });
    outcome.unwrap();
    // Else there would be little that was compared.
    let taken = scripts::short_ways(&mut connection.borrow_mut());
    assert!(taken.iter().all(|times| *times > 20), "the short ways were taken {taken:?} times");
}

fn compare(connection: &mut Connection, words: &mut PubSub<'_>, steps: &[Step]) {
    let mut sides = [Way::AsItIs, Way::General].map(|way| Side::new(connection, way));
    for (number, step) in steps.iter().enumerate() {
        let context = || format!("step {number}, {step:?}");
        let [usual, general] = sides.each_mut().map(|side| side.perform(connection, step));
        assert_eq!(usual, general, "the answers to {}", context());
        let [usual, general] = scripts::heard(connection, words);
        assert_eq!(usual, general, "what was told by {}", context());
        let [usual, general] = sides.each_mut().map(|side| side.state(connection));
        usual.assert_like(&general, context);
    }
}
