//! A guest that does what its arguments tell it, well behaved or not, and prints what comes of it, a line for each answer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "what goes wrong in a test guest is to be seen, and a trap is how it is"
)]

mod caches;
mod classes;
mod herds;
mod kinds;
mod locks;
mod misbehave;
mod tags;

#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, reason = "generated code")]
mod bindings {
    wit_bindgen::generate!({ path: "../../../wit", world: "guest" });
    // Native linkers refuse the names of these exports.
    #[cfg(target_family = "wasm")]
    export!(Probe with_types_in self);
    #[cfg(target_family = "wasm")]
    use super::Probe;
}

/// What the standard library does not use: exit codes beside 0 and 1.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, reason = "generated code")]
mod codes {
    wit_bindgen::generate!({
        inline: "
            package wasi:cli@0.3.0;
            interface exit {
                exit-with-code: func(status-code: u8);
            }
            world codes {
                import exit;
            }
        ",
    });
}

struct Probe;

impl bindings::exports::wasi::cli::run::Guest for Probe {
    async fn run() -> Result<(), ()> {
        let args: Vec<String> = std::env::args().collect();
        let args: Vec<&str> = args.iter().skip(1).map(String::as_str).collect();
        match args.as_slice() {
            ["say", words @ ..] => println!("{}", words.join(" ")),
            ["env", name] => println!("{:?}", std::env::var(name)),
            ["echo"] => println!("{}", std::io::read_to_string(std::io::stdin()).unwrap()),
            ["complain", words @ ..] => eprintln!("{}", words.join(" ")),
            ["exit", code] => std::process::exit(code.parse().unwrap()),
            ["exit-with-code", code] => codes::wasi::cli::exit::exit_with_code(code.parse().unwrap()),
            ["fail"] => return Err(()),
            ["list", directory] => println!("{:?}", std::fs::read_dir(directory).map(Iterator::count)),
            ["write", file] => println!("{:?}", std::fs::write(file, "probe")),
            ["connect", address] => println!("{:?}", std::net::TcpStream::connect(*address).map(|_| ())),
            ["lock", rest @ ..] => locks::run(rest).await,
            ["class", rest @ ..] => classes::run(rest).await,
            ["kinds", rest @ ..] => kinds::run(rest).await,
            ["cache", rest @ ..] => caches::run(rest).await,
            ["tags", rest @ ..] => tags::run(rest).await,
            ["herd", rest @ ..] => herds::run(rest).await,
            ["misbehave", rest @ ..] => misbehave::run(rest).await,
            other => panic!("the probe does not know {other:?}"),
        }
        Ok(())
    }
}
