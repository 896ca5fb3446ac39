//! The program teaches itself.

use crate::support::{bellwether, run};

const COMMANDS: [&str; 9] = ["run", "get", "set", "delete", "ttl", "cache", "lock", "locks", "completions"];

#[test]
fn every_command_has_help_with_an_example() {
    let help = run(&["--help"]).ok();
    for command in COMMANDS {
        assert!(help.contains(&format!("\n  {command} ")), "{command} in {help}");
        let own = run(&[command, "--help"]).ok();
        assert!(own.contains(&format!("bellwether {command} ")) && own.contains("Example"), "{own}");
    }
    for told in ["redis+cluster://", "BELLWETHER_STORE", "Exit statuses"] {
        assert!(help.contains(told), "{told} in {help}");
    }
}

#[test]
fn help_and_complaints_have_no_colours_for_a_program_that_reads_them() {
    let help = run(&["--help"]).ok();
    let complaint = run(&["get", "c", "k"]).failed(2);
    assert!(!help.contains('\x1b') && !complaint.contains('\x1b'));
    assert!(complaint.starts_with("bellwether: "));
}

#[test]
fn shells_are_given_completions_of_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell]).ok();
        for command in COMMANDS {
            assert!(script.contains(command), "{command} for {shell}");
        }
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = bellwether(&["completions", "bash"]).spawn().unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
}
