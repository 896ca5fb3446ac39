//! A stage of all three kinds that does what its input says.
//!
//! The input is a command, a space, and what the command works on. A serializer takes it as bare bytes, which the host does not
//! check.

#![cfg(target_family = "wasm")]
#![allow(clippy::panic, reason = "it is what this stage is for")]
#![allow(unreachable_pub, reason = "what wit-bindgen generates is public")]

use std::cell::{Cell, RefCell};
use std::collections::HashSet;

mod bindings {
    #![allow(missing_docs, clippy::pedantic, reason = "generated")]

    wit_bindgen::generate!({
        path: "../../../wit",
        inline: "
            package test:misbehaving;

            world all-stages {
                include bellwether:core/identity-stage@0.2.0;
                include bellwether:core/serializer-stage@0.2.0;
                include bellwether:core/compressor-stage@0.2.0;
            }
        ",
        world: "test:misbehaving/all-stages",
        generate_all,
        pub_export_macro: true,
    });
}

use bindings::exports::bellwether::core::{compressor, identity, serializer};

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
    static KEPT: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

struct Misbehaving;

bindings::export!(Misbehaving with_types_in bindings);

impl serializer::Guest for Misbehaving {
    fn serialize(value: Vec<u8>) -> Result<Vec<u8>, String> {
        obey(&value)
    }

    fn deserialize(bytes: Vec<u8>) -> Result<Vec<u8>, String> {
        obey(&bytes)
    }
}

impl compressor::Guest for Misbehaving {
    fn compress(bytes: Vec<u8>) -> Result<Option<Vec<u8>>, String> {
        if bytes == b"none" { Ok(None) } else { obey(&bytes).map(Some) }
    }

    fn decompress(bytes: Vec<u8>, max_size: u64) -> Result<Vec<u8>, String> {
        if bytes == b"max-size" { Ok(max_size.to_string().into_bytes()) } else { obey(&bytes) }
    }
}

impl identity::Guest for Misbehaving {
    fn generate(cache: String, key: String, content: Option<Vec<u8>>) -> Result<String, String> {
        if key == "args" {
            return Ok(format!("{cache}/{key}/{content:?}"));
        }
        String::from_utf8(obey(key.as_bytes())?).map_err(|error| error.to_string())
    }
}

/// Does what the input says.
fn obey(input: &[u8]) -> Result<Vec<u8>, String> {
    let space = input.iter().position(|byte| *byte == b' ').unwrap_or(input.len());
    let (command, rest) = input.split_at(space);
    let rest = rest.get(1..).unwrap_or_default();
    let number = || String::from_utf8_lossy(rest).trim().parse::<usize>().unwrap_or_default();
    CALLS.set(CALLS.get() + 1);
    match command {
        b"echo" => Ok(rest.to_vec()),
        b"size" => Ok(rest.len().to_string().into_bytes()),
        b"calls" => Ok(CALLS.get().to_string().into_bytes()),
        b"refuse" => Err(String::from_utf8_lossy(rest).into_owned()),
        b"refuse-long" => Err("long ".repeat(number())),
        b"panic" => panic!("told to: {}", String::from_utf8_lossy(rest)),
        b"overflow" => Ok(vec![overflow(1)]),
        b"exit" => std::process::exit(3),
        b"loop" => loop {
            std::hint::black_box(());
        },
        b"spin" => {
            let mut sum = 0_u64;
            for i in 0..number() as u64 {
                sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(i));
            }
            Ok(sum.to_le_bytes().to_vec())
        }
        // Fresh memory is zero already: a gigabyte of it costs nothing to make.
        b"zeros" => Ok(vec![0; number()]),
        b"hoard" => loop {
            KEPT.with_borrow_mut(|kept| kept.push(vec![1; 1 << 20]));
        },
        b"keep" => {
            KEPT.with_borrow_mut(|kept| kept.push(vec![1; number()]));
            Ok(KEPT.with_borrow(|kept| kept.iter().map(Vec::len).sum::<usize>()).to_string().into_bytes())
        }
        b"print" => {
            for _ in 0..number() {
                println!("a line that nobody reads");
            }
            Ok(b"printed".to_vec())
        }
        b"hash" => {
            let set: HashSet<u32> = (0..64).collect();
            Ok(set.iter().flat_map(|n| n.to_le_bytes()).collect())
        }
        b"look" => {
            let files = std::fs::read("/etc/passwd").is_ok();
            let net = std::net::TcpStream::connect("127.0.0.1:80").is_ok();
            let args = std::env::args().count() + std::env::vars().count();
            let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            let mut line = String::new();
            let read = std::io::stdin().read_line(&mut line).unwrap_or_default();
            Ok(format!("files {files} net {net} args {args} clock {} stdin {read}", clock.as_nanos()).into_bytes())
        }
        b"sleep" => {
            std::thread::sleep(std::time::Duration::from_hours(1));
            Ok(b"slept".to_vec())
        }
        _ => Err(format!("no command {:?}", String::from_utf8_lossy(command))),
    }
}

#[expect(unconditional_recursion, reason = "it is what this stage is for")]
fn overflow(n: u8) -> u8 {
    std::hint::black_box(overflow(std::hint::black_box(n)).wrapping_add(1))
}
