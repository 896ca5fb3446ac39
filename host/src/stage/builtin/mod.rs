//! The stages that come with the host.
