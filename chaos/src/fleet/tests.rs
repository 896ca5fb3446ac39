//! Clients that are none, but come to an end as one does.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

/// A fleet of one, which is this program in the place of a client.
fn fleet(program: &str) -> Fleet {
    let orders = Orders { store: String::new(), register: 0, seed: 0, kinds: Vec::new() };
    let mut fleet = Fleet::start(orders, 0).unwrap();
    let mut process = Process::spawn(Command::new("sh").args(["-c", program]).stdin(Stdio::piped())).unwrap();
    let input = process.child().stdin.take();
    fleet.clients.push(Client { number: 7, process, input, reader: std::thread::spawn(|| {}), clock: None });
    fleet
}

#[test]
fn a_client_that_has_died_is_not_taken_for_one_that_was_killed() {
    let mut dies = fleet("exit 3");
    dies.clients[0].process.child().wait().unwrap();
    assert_eq!(dies.remove(0).unwrap(), Some(false));
    assert_eq!((dies.crashed, dies.killed), (vec![7], vec![]));

    let mut lives = fleet("read end");
    assert_eq!(lives.remove(0).unwrap(), Some(false));
    assert_eq!((lives.crashed, lives.killed), (vec![], vec![7]));
}

#[test]
fn a_client_that_has_died_did_not_end_as_it_was_told_to() {
    let mut dies = fleet("exit 0");
    dies.clients[0].process.child().wait().unwrap();
    assert_eq!(dies.finish().unwrap().1, [0_u32; 0]);
    assert_eq!(dies.crashed, [7]);

    let mut ends = fleet("read end; exit 0");
    assert_eq!(ends.finish().unwrap().1, [0_u32; 0]);
    assert_eq!(ends.crashed, [0_u32; 0]);
    assert_eq!(fleet("read end; exit 1").finish().unwrap().1, [7]);
}
