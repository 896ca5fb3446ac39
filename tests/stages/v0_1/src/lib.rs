//! A stage of all three kinds that is built against version 0.1.0 of the contract, as it is kept in `wit/previous/0.1.0`. It marks
//! what passes through it.
//!
//! It does not change as long as stages of that version are to run.

#![cfg(target_family = "wasm")]
#![allow(unreachable_pub, reason = "what wit-bindgen generates is public")]

mod bindings {
    #![allow(missing_docs, clippy::pedantic, reason = "generated")]

    wit_bindgen::generate!({
        path: "../../../wit/previous/0.1.0",
        inline: "
            package test:old;

            world all-stages {
                include bellwether:core/identity-stage@0.1.0;
                include bellwether:core/serializer-stage@0.1.0;
                include bellwether:core/compressor-stage@0.1.0;
            }
        ",
        world: "test:old/all-stages",
        generate_all,
        pub_export_macro: true,
    });
}

use bindings::exports::bellwether::core::{compressor, identity, serializer};

struct Old;

bindings::export!(Old with_types_in bindings);

impl identity::Guest for Old {
    fn generate(cache: String, key: String, content: Option<Vec<u8>>) -> Result<String, String> {
        Ok(format!("{cache}/{key}/{}", content.map_or(0, |content| content.len())))
    }
}

impl serializer::Guest for Old {
    fn serialize(value: Vec<u8>) -> Result<Vec<u8>, String> {
        Ok([b"old:", value.as_slice()].concat())
    }

    fn deserialize(bytes: Vec<u8>) -> Result<Vec<u8>, String> {
        bytes.strip_prefix(b"old:").map(<[u8]>::to_vec).ok_or_else(|| "not from the old serializer".to_owned())
    }
}

impl compressor::Guest for Old {
    fn compress(bytes: Vec<u8>) -> Result<Option<Vec<u8>>, String> {
        Ok(bytes.iter().all(|&byte| byte == 0).then(|| bytes.len().to_string().into_bytes()))
    }

    fn decompress(bytes: Vec<u8>, max_size: u64) -> Result<Vec<u8>, String> {
        let size = String::from_utf8_lossy(&bytes).parse().map_err(|_| "no size".to_owned())?;
        if size as u64 > max_size { Err("too large".to_owned()) } else { Ok(vec![0; size]) }
    }
}
