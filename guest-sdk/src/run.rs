//! The entry point of a program.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;

/// Makes an `async fn` the entry point of this component, by exporting `wasi:cli/run`.
///
/// The function takes nothing (see [`std::env::args`]) and gives anything that is a [`Termination`]: nothing, or a
/// [`Result`](std::result::Result) whose error is then printed to stderr, with what caused it, and makes the program fail.
/// Use it once, in a crate of type `cdylib`.
///
/// ```
/// bellwether_guest::main!(app);
///
/// async fn app() -> Result<(), Box<dyn std::error::Error>> {
///     println!("{} arguments", std::env::args().count());
///     Ok(())
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! main {
    ($app:path) => {
        const _: () = {
            struct Program;

            impl $crate::bindings::guest::exports::wasi::cli::run::Guest for Program {
                async fn run() -> ::core::result::Result<(), ()> {
                    $crate::report($app().await)
                }
            }

            // Names with an `@`, as the contract's are, cannot be exported from a native library.
            #[cfg(target_family = "wasm")]
            $crate::bindings::guest::export_guest! { Program with_types_in $crate::bindings::guest }
            #[cfg(not(target_family = "wasm"))]
            const _: () = {
                let _ = $app;
            };
        };
    };
}

/// What an entry point may give: nothing, or a [`Result`](std::result::Result) with any error.
pub trait Termination {
    /// The error, if the program failed.
    fn failure(self) -> Option<Box<dyn Error>>;
}

impl Termination for () {
    fn failure(self) -> Option<Box<dyn Error>> {
        None
    }
}

impl<T: Termination, E: Into<Box<dyn Error>>> Termination for Result<T, E> {
    fn failure(self) -> Option<Box<dyn Error>> {
        match self {
            Ok(inner) => inner.failure(),
            Err(error) => Some(error.into()),
        }
    }
}

/// Prints a program's failure, if any, to stderr, and says whether it succeeded. [`main!`] does this.
///
/// # Errors
/// When the program failed.
#[allow(clippy::result_unit_err, reason = "the result of wasi:cli/run")]
pub fn report(end: impl Termination) -> Result<(), ()> {
    let failure = end.failure();
    // A library has no runtime that flushes at the end; a reader that went away is no failure of the program.
    let _ = std::io::stdout().flush();
    match failure {
        None => Ok(()),
        Some(error) => {
            let _ = writeln!(std::io::stderr(), "error: {}", chain(error.as_ref()));
            Err(())
        }
    }
}

/// An error and what caused it, without repeating what its own text already says.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            let _ = write!(text, ": {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the report was not written")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn an_error_is_told_with_its_causes() {
        assert_eq!(chain(&Outer(std::io::Error::other("no space left"))), "the report was not written: no space left");
    }

    #[test]
    fn results_of_all_kinds_can_end_a_program() {
        assert_eq!(report(()), Ok(()));
        assert_eq!(report(Ok::<(), crate::Error>(())), Ok(()));
        assert_eq!(report(Err::<(), _>(crate::Error::NotHeld)), Err(()));
        assert_eq!(report(Err::<(), Box<dyn Error>>("no".into())), Err(()));
        assert_eq!(report(Err::<(), String>("no".to_owned())), Err(()));
    }
}
