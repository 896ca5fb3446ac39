//! Programs that see another time than the true one.

use std::path::Path;
use std::process::Command;

/// The library that shows a process another time than the true one, if it is installed: Debian has it as `libfaketime`.
#[must_use]
pub fn faketime() -> Option<&'static Path> {
    const PLACES: [&str; 4] = [
        "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
        "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
        "/usr/lib64/faketime/libfaketimeMT.so.1",
        "/usr/lib/faketime/libfaketimeMT.so.1",
    ];
    PLACES.iter().map(Path::new).find(|place| place.exists())
}

/// Has a program see another wall clock, of which the library's other settings say more. Sleeping and the monotonic clock are left alone.
pub fn preload(command: &mut Command, library: &Path) {
    command.env("LD_PRELOAD", library).env("DONT_FAKE_MONOTONIC", "1");
}
