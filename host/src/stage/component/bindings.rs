//! The bindings of the three stage interfaces, from the WIT files and no copy of them.

#![allow(clippy::all, clippy::pedantic, unreachable_pub, missing_docs, reason = "generated")]

wasmtime::component::bindgen!({
    path: "../wit",
    // A component exports any of the three, so no type stands for a whole world.
    interfaces: "
        include bellwether:core/identity-stage@0.1.0;
        include bellwether:core/serializer-stage@0.1.0;
        include bellwether:core/compressor-stage@0.1.0;
    ",
    with: { "bellwether:core/types": types },
});

/// What the interfaces use of `types`. A value crosses as `Bytes`, so that it is copied once each way: into the instance, and
/// out of it.
pub mod types {
    pub type Cbor = bytes::Bytes;
}

pub(super) use exports::bellwether::core::{compressor, identity, serializer};
