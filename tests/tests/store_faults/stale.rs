//! A Sentinel that the others cannot reach, and so knows of no failover.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use super::*;

/// What such a Sentinel goes on to say of the primary.
fn outdated(port: u16) -> std::io::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let own = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || answer(&stream, port));
        }
    });
    Ok(own)
}

/// Answers what a client asks, until it hangs up.
fn answer(stream: &TcpStream, port: u16) -> Option<()> {
    // It is to be as quick as the others.
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let words: usize = header(&mut reader, '*')?;
        let mut command = Vec::new();
        for _ in 0..words {
            // With the end of the line.
            let mut word = vec![0; header(&mut reader, '$')? + 2];
            reader.read_exact(&mut word).ok()?;
            command.push(String::from_utf8_lossy(&word).trim().to_uppercase());
        }
        let port = port.to_string();
        let says = [
            ("ip", "127.0.0.1"),
            ("port", &port),
            ("runid", "before"),
            ("flags", "master"),
            ("config-epoch", "0"),
            ("num-other-sentinels", "2"),
        ];
        let reply = match command.join(" ") {
            asked if asked.starts_with("HELLO") => "%1\r\n$5\r\nproto\r\n:3\r\n".to_owned(),
            asked if asked.starts_with("SENTINEL MASTER") => {
                let fields = says.iter().flat_map(|(name, value)| [name, value]);
                let fields: Vec<_> = fields.map(|text| format!("${}\r\n{text}\r\n", text.len())).collect();
                format!("%{}\r\n{}", says.len(), fields.concat())
            }
            asked if asked.starts_with("SENTINEL GET") => format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.len()),
            _ => "+OK\r\n".to_owned(),
        };
        (&*stream).write_all(reply.as_bytes()).ok()?;
    }
}

/// The number in a line that begins so.
fn header(reader: &mut impl BufRead, begins: char) -> Option<usize> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    line.strip_prefix(begins)?.trim().parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_left_a_primary_that_was_replaced_does_not_go_back_though_a_sentinel_names_it() {
    const TIMES: usize = 10;
    /// It is asked so often that it nearly always is the first to answer.
    const OUTDATED: usize = 8;
    let set = tokio::task::spawn_blocking(|| Sentinel::start().unwrap()).await.unwrap();
    let outdated = outdated(set.primary().unwrap().port()).unwrap();
    let outdated = format!("127.0.0.1:{outdated},").repeat(OUTDATED);
    let store = open(&set.url().replace("://", &format!("://{outdated}"))).await;
    let old = set.replace_primary().unwrap();
    let new = set.primary().unwrap();
    let key = |number: usize| format!("key-{number}");
    let written = async |number: usize| {
        // What was under way as the connection was closed may fail.
        while store.set(&entry(&key(number), 10), None).await.is_err() {}
        new.command::<bool>(&["EXISTS", &key(number)]).unwrap()
    };
    let left = async { while !written(0).await {} };
    timeout(RECOVERY, left).await.expect("writes go to one that was replaced");
    for number in 1..=TIMES {
        new.command::<u64>(&["CLIENT", "KILL", "TYPE", "normal"]).unwrap();
        assert!(written(number).await, "it went back, the {number}th time");
    }
    let replicas = set.replicas().unwrap();
    let old = replicas.iter().find(|server| server.announced() == old).unwrap();
    let info: String = old.command(&["INFO", "replication"]).unwrap();
    assert!(info.contains("role:master"), "it was told before, so this shows nothing");
}
