//! A user who has lost rights since it came lets go of what it has, and is told why nobody else was told.

use bellwether_tests::Server;
use redis::{Connection, Value};

use crate::scripts::{BREAK, RELEASE, SHARED_BREAK, SHARED_RELEASE};

const TOKEN: &str = "the-token-of-the-holder";
const NEXT: &str = "the-token-of-the-next 60000 60000 here -";
const CHANNEL: &str = "PUBLISH";

/// A user who may do all but this.
fn without(server: &Server, command: &str) -> Connection {
    let rule = ["ACL", "SETUSER", "user", "reset", "on", ">secret", "~*", "&*", "+@all", command];
    server.command::<()>(&rule).unwrap();
    redis::Client::open(server.url().replace("://", "://user:secret@")).unwrap().get_connection().unwrap()
}

/// What letting go comes to.
fn let_go(connection: &mut Connection, source: &str, arguments: &[&str]) -> Vec<Value> {
    let keys = ["lock", "fence", "queue", "alive", "channel:", "fences"];
    redis::cmd("EVAL").arg(source).arg(keys.len()).arg(&keys).arg(arguments).query(connection).unwrap()
}

#[test]
fn who_may_not_look_for_others_lets_go_and_is_told_why_nobody_heard_of_it() {
    let server = Server::start().unwrap();
    let digest: String = server.command(&["EVAL", "return redis.sha1hex(ARGV[1])", "0", TOKEN]).unwrap();
    let release: &[&str] = &[TOKEN, CHANNEL];
    let yields: &[&str] = &[TOKEN, CHANNEL, "", NEXT, "yield"];
    let shared: &[&str] = &[TOKEN, CHANNEL, "", "", "", "2"];
    let plain = [(RELEASE.concat(), release), (RELEASE.concat(), yields), (BREAK.to_owned(), &[&*digest, CHANNEL])];
    let shared = [(SHARED_RELEASE.to_owned(), shared), (SHARED_BREAK.to_owned(), &[&*digest, CHANNEL])];
    let cases = plain.map(|case| (case, false)).into_iter().chain(shared.map(|case| (case, true)));
    for ((source, arguments), is_shared) in cases {
        for forbidden in ["-zscore", "-zrange"] {
            // A share cannot be let go of without a look at who else has one.
            if is_shared && forbidden == "-zrange" {
                continue;
            }
            server.command::<()>(&["FLUSHALL"]).unwrap();
            if is_shared {
                server.command::<()>(&["ZADD", "lock", "8000000000000000", &format!("p {TOKEN}")]).unwrap();
            } else {
                server.command::<()>(&["SET", "lock", TOKEN]).unwrap();
            }
            server.command::<()>(&["SET", "fence", "1900000000000000"]).unwrap();
            server.command::<()>(&["ZADD", "queue", "1", "the-token-of-another 60000 60000 there 2"]).unwrap();
            server.command::<()>(&["ZADD", "alive", "8000000000000000", "there"]).unwrap();
            let answer = let_go(&mut without(&server, forbidden), &source, arguments);
            let Some((Value::BulkString(why), [Value::Int(1), ..])) = answer.split_last() else {
                panic!("{answer:?} to {arguments:?} and {forbidden}")
            };
            let why = String::from_utf8_lossy(why);
            assert!(why.contains("user executing the script"), "{why}");
            assert_eq!(server.command::<u64>(&["EXISTS", "lock"]).unwrap(), 0, "it was let go of, and passed to nobody");
            let noted: String = server.command(&["GET", "fence"]).unwrap();
            assert!(noted.contains(" -the-token-of") || noted.contains(" ~"), "{noted}");
            assert!(server.command::<u64>(&["ZCARD", "queue"]).unwrap() > 0, "who waits keeps its place");
        }
    }
}
