#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::HashMap;

use super::*;
use crate::error::Invalid;

fn with(stages: Stages, name: &str) -> Result<Stages, Error> {
    stages.with_serializer(name, Arc::new(JsonStage))
}

fn why(result: Result<Stages, Error>) -> String {
    match result {
        Err(Error::Invalid(Invalid::StageName { why, .. })) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_defaults_are_built_in() {
    let stages = Stages::builtin();
    assert_eq!(stages.identity(&StageChoice::Default).unwrap().unwrap().name(), "default");
    assert_eq!(stages.serializer(&StageChoice::Default).unwrap().unwrap().name(), "cbor");
    assert_eq!(stages.compressor(&StageChoice::Default).unwrap().unwrap().name(), "zlib");
    assert_eq!(stages.serializer(&"json".into()).unwrap().unwrap().id(), StageId::JSON);
    assert!(stages.compressor(&StageChoice::None).unwrap().is_none());
    assert_eq!(stages.names(StageKind::Serializer), ["cbor", "json", "postcard"]);
}

#[test]
fn a_registered_stage_is_found_where_it_was_registered() {
    let before = Stages::builtin();
    let after = with(before.clone(), "msgpack").unwrap();
    assert_eq!(after.serializer(&"msgpack".into()).unwrap().unwrap().id(), StageId::named("msgpack"));
    assert_eq!(after.describe(StageKind::Serializer, StageId::named("msgpack")), "`msgpack`");
    for (stages, kind) in [(&before, StageKind::Serializer), (&after, StageKind::Compressor)] {
        let found = match kind {
            StageKind::Serializer => stages.serializer(&"msgpack".into()).map(|_| ()),
            _ => stages.compressor(&"msgpack".into()).map(|_| ()),
        };
        let Err(Error::Invalid(Invalid::UnknownStage { known, name, .. })) = found else { panic!("{found:?}") };
        assert_eq!(name, "msgpack");
        assert_eq!(known, if kind == StageKind::Serializer { "`cbor`, `json`, `postcard`" } else { "`zlib`" });
    }
    assert!(before.describe(StageKind::Serializer, StageId::named("msgpack")).contains("not registered"));
    assert_eq!(before.describe(StageKind::Serializer, StageId::NONE), "`none`");
}

#[test]
fn names_that_mean_something_else_are_refused() {
    let stages = with(Stages::builtin(), "msgpack").unwrap();
    assert_eq!(why(with(stages.clone(), "msgpack")), "is registered already");
    for name in ["default", "none", "cbor", "json", "postcard", "zlib"] {
        assert_eq!(why(with(stages.clone(), name)), "is built in");
        assert_eq!(why(stages.clone().with_compressor(name, Arc::new(ZlibStage))), "is built in");
        assert_eq!(why(stages.clone().with_identity(name, Arc::new(DefaultIdentity))), "is built in");
    }
    for name in ["", "a\nb", &"n".repeat(1000)] {
        assert!(with(stages.clone(), name).is_err(), "{name:?}");
    }
    // One component can be several stages.
    assert!(stages.with_compressor("msgpack", Arc::new(ZlibStage)).is_ok());
}

#[test]
fn two_names_with_one_id_are_refused() {
    let mut seen = HashMap::new();
    let (one, other) = (0_u32..)
        .find_map(|n| {
            let name = format!("stage-{n}");
            seen.insert(StageId::named(&name), name.clone()).map(|earlier| (earlier, name))
        })
        .unwrap();
    let stages = with(Stages::builtin(), &one).unwrap();
    assert_eq!(why(with(stages, &other)), format!("has the same id in stored entries as {one:?}"));
}
