//! The stages that a cached value passes through, as a component implements them.
//!
//! The traits have no `self`: a stage is pure, and an instance may be thrown away between two calls. Bytes come owned, as
//! they are anyway when they arrive, so that a stage can change them in place or give them back.

/// Turns values into bytes and back.
///
/// ```
/// use bellwether_guest::{Serializer, cbor};
///
/// struct Debugging;
///
/// impl Serializer for Debugging {
///     fn serialize(value: Vec<u8>) -> Result<Vec<u8>, String> {
///         let text: String = cbor::decode(&value).map_err(|error| error.to_string())?;
///         Ok(text.into_bytes())
///     }
///
///     fn deserialize(bytes: Vec<u8>) -> Result<Vec<u8>, String> {
///         let text = String::from_utf8(bytes).map_err(|error| error.to_string())?;
///         cbor::encode(&text).map_err(|error| error.to_string())
///     }
/// }
///
/// bellwether_guest::export_serializer!(Debugging);
/// ```
pub trait Serializer {
    /// The bytes to store for a value, which is exactly one well-formed CBOR data item.
    ///
    /// # Errors
    /// A text that says what the value has that these bytes cannot express.
    fn serialize(value: Vec<u8>) -> Result<Vec<u8>, String>;

    /// The value of stored bytes, as exactly one CBOR data item.
    ///
    /// # Errors
    /// A text that says what is wrong with the bytes.
    fn deserialize(bytes: Vec<u8>) -> Result<Vec<u8>, String>;
}

/// Makes bytes fewer.
pub trait Compressor {
    /// The compressed bytes; `None` to leave them as they are.
    ///
    /// # Errors
    /// A text that says why these bytes cannot be compressed. Bytes that do not get fewer are no error.
    fn compress(bytes: Vec<u8>) -> Result<Option<Vec<u8>>, String>;

    /// What was compressed.
    ///
    /// # Errors
    /// A text that says what is wrong with the bytes, or that the result would be more than `max_size` bytes. Check that
    /// before making room for it: the bytes may be anybody's.
    fn decompress(bytes: Vec<u8>, max_size: u64) -> Result<Vec<u8>, String>;
}

/// Names entries.
pub trait Identity {
    /// The part of the store's key that follows the cache's name. The same arguments must always give the same text, and
    /// different entries different texts. `content`, if any, is canonical CBOR (RFC 8949, section 4.2).
    ///
    /// # Errors
    /// A text that says what is wrong with the key or the content.
    fn generate(cache: &str, key: &str, content: Option<&[u8]>) -> Result<String, String>;
}

/// Exports a type that implements [`Serializer`] as this component's serializer.
#[macro_export]
macro_rules! export_serializer {
    ($stage:ty) => {
        const _: () = {
            struct Exported;

            impl $crate::bindings::serializer::exports::bellwether::core::serializer::Guest for Exported {
                fn serialize(value: ::std::vec::Vec<u8>) -> ::core::result::Result<::std::vec::Vec<u8>, ::std::string::String> {
                    <$stage as $crate::Serializer>::serialize(value)
                }

                fn deserialize(bytes: ::std::vec::Vec<u8>) -> ::core::result::Result<::std::vec::Vec<u8>, ::std::string::String> {
                    <$stage as $crate::Serializer>::deserialize(bytes)
                }
            }

            // Names with an `@`, as the contract's are, cannot be exported from a native library.
            #[cfg(target_family = "wasm")]
            $crate::bindings::serializer::export_serializer_stage! { Exported with_types_in $crate::bindings::serializer }
            #[cfg(not(target_family = "wasm"))]
            const _: () = {
                let _ = <Exported as $crate::bindings::serializer::exports::bellwether::core::serializer::Guest>::serialize;
                let _ = <Exported as $crate::bindings::serializer::exports::bellwether::core::serializer::Guest>::deserialize;
            };
        };
    };
}

/// Exports a type that implements [`Compressor`] as this component's compressor.
#[macro_export]
macro_rules! export_compressor {
    ($stage:ty) => {
        const _: () = {
            struct Exported;

            impl $crate::bindings::compressor::exports::bellwether::core::compressor::Guest for Exported {
                fn compress(
                    bytes: ::std::vec::Vec<u8>,
                ) -> ::core::result::Result<::core::option::Option<::std::vec::Vec<u8>>, ::std::string::String> {
                    <$stage as $crate::Compressor>::compress(bytes)
                }

                fn decompress(
                    bytes: ::std::vec::Vec<u8>,
                    max_size: u64,
                ) -> ::core::result::Result<::std::vec::Vec<u8>, ::std::string::String> {
                    <$stage as $crate::Compressor>::decompress(bytes, max_size)
                }
            }

            #[cfg(target_family = "wasm")]
            $crate::bindings::compressor::export_compressor_stage! { Exported with_types_in $crate::bindings::compressor }
            #[cfg(not(target_family = "wasm"))]
            const _: () = {
                let _ = <Exported as $crate::bindings::compressor::exports::bellwether::core::compressor::Guest>::compress;
                let _ = <Exported as $crate::bindings::compressor::exports::bellwether::core::compressor::Guest>::decompress;
            };
        };
    };
}

/// Exports a type that implements [`Identity`] as this component's identity.
#[macro_export]
macro_rules! export_identity {
    ($stage:ty) => {
        const _: () = {
            struct Exported;

            impl $crate::bindings::identity::exports::bellwether::core::identity::Guest for Exported {
                fn generate(
                    cache: ::std::string::String,
                    key: ::std::string::String,
                    content: ::core::option::Option<::std::vec::Vec<u8>>,
                ) -> ::core::result::Result<::std::string::String, ::std::string::String> {
                    <$stage as $crate::Identity>::generate(&cache, &key, content.as_deref())
                }
            }

            #[cfg(target_family = "wasm")]
            $crate::bindings::identity::export_identity_stage! { Exported with_types_in $crate::bindings::identity }
            #[cfg(not(target_family = "wasm"))]
            const _: () = {
                let _ = <Exported as $crate::bindings::identity::exports::bellwether::core::identity::Guest>::generate;
            };
        };
    };
}
