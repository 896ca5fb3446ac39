//! What wit-bindgen makes of the contract in `wit/`. Public only because the macros of this crate expand to paths into it.
#![allow(missing_docs, unreachable_pub, reason = "generated code")]
#![allow(clippy::pedantic, clippy::allow_attributes_without_reason, reason = "generated code")]

/// Locks, caches, and the entry point of a program.
pub mod guest {
    wit_bindgen::generate!({
        path: "../wit",
        world: "guest",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_guest",
        runtime_path: "::wit_bindgen::rt",
    });
}

/// A component that names entries.
pub mod identity {
    wit_bindgen::generate!({
        path: "../wit",
        world: "identity-stage",
        pub_export_macro: true,
        export_macro_name: "export_identity_stage",
        runtime_path: "::wit_bindgen::rt",
    });
}

/// A component that turns values into bytes and back.
pub mod serializer {
    wit_bindgen::generate!({
        path: "../wit",
        world: "serializer-stage",
        pub_export_macro: true,
        export_macro_name: "export_serializer_stage",
        runtime_path: "::wit_bindgen::rt",
    });
}

/// A component that makes bytes fewer.
pub mod compressor {
    wit_bindgen::generate!({
        path: "../wit",
        world: "compressor-stage",
        pub_export_macro: true,
        export_macro_name: "export_compressor_stage",
        runtime_path: "::wit_bindgen::rt",
    });
}
