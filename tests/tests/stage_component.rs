//! Stages that are components: what they give, what they cannot do, and that no call harms the next.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bellwether::cache::{CacheOptions, Caches};
use bellwether::envelope::{Envelope, StageId};
use bellwether::error::{Error, Invalid, StageFault, StageKind};
use bellwether::stage::component::{CodeCache, INLINE, StageComponent, StageEngine, StageEngineOptions, StageLimits};
use bellwether::stage::{Serializer, Stages};
use bellwether::store::memory::MemoryStore;
use bellwether::store::{Entry, EntryStore};
use bellwether_tests::component;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::join_all;

static ENGINE: LazyLock<StageEngine> = LazyLock::new(|| engine(256));

static WASM: LazyLock<Vec<u8>> = LazyLock::new(|| std::fs::read(component("test-misbehaving").unwrap()).unwrap());

fn engine(reserved: u32) -> StageEngine {
    let code_cache = CodeCache::Directory(Path::new(env!("CARGO_TARGET_TMPDIR")).join("code"));
    StageEngine::new(&StageEngineOptions { code_cache, reserved }).unwrap()
}

fn limits() -> StageLimits {
    StageLimits { deadline: Duration::from_secs(10), wait: Duration::from_secs(30), ..StageLimits::default() }
}

fn load(limits: StageLimits) -> StageComponent {
    ENGINE.load("misbehaving", &WASM, limits).unwrap()
}

fn serializer(limits: StageLimits) -> Arc<dyn Serializer> {
    load(limits).serializer().unwrap()
}

/// A command with so many bytes after it that the call leaves its caller's thread.
fn large(command: &str) -> Bytes {
    let mut bytes = format!("{command} ").into_bytes();
    bytes.resize(bytes.len() + INLINE, b' ');
    bytes.into()
}

/// A call that can be spawned.
async fn owned(stage: Arc<dyn Serializer>, value: Bytes) -> Result<Bytes, StageFault> {
    stage.serialize(value).await
}

/// What the stage gives for a command, as text.
async fn ask(stage: &Arc<dyn Serializer>, command: &str) -> String {
    let bytes = stage.serialize(Bytes::copy_from_slice(command.as_bytes())).await.unwrap();
    String::from_utf8(bytes.into()).unwrap()
}

async fn fault(stage: &Arc<dyn Serializer>, command: &str) -> StageFault {
    stage.serialize(Bytes::copy_from_slice(command.as_bytes())).await.unwrap_err()
}

#[tokio::test]
async fn all_three_kinds_of_stage_answer() {
    let stage = load(limits());
    let (identity, serializer, compressor) =
        (stage.identity().unwrap(), stage.serializer().unwrap(), stage.compressor().unwrap());
    assert_eq!(serializer.serialize(Bytes::from_static(b"echo hello")).await.unwrap(), "hello");
    assert_eq!(serializer.deserialize(Bytes::from_static(b"echo \xff")).await.unwrap(), &b"\xff"[..]);
    assert!(!serializer.trusted(), "what a component gives has to be checked");
    assert_eq!(compressor.compress(Bytes::from_static(b"none")).await.unwrap(), None);
    assert_eq!(compressor.compress(Bytes::from_static(b"echo x")).await.unwrap().unwrap(), "x");
    assert_eq!(compressor.decompress(Bytes::from_static(b"max-size"), 77).await.unwrap(), "77");
    assert_eq!(compressor.decompress(Bytes::from_static(b"max-size"), u64::MAX).await.unwrap(), (16 << 20).to_string());
    assert_eq!(identity.generate("c", "args", None).await.unwrap(), "c/args/None");
    assert_eq!(identity.generate("c", "args", Some(&[1, 2])).await.unwrap(), "c/args/Some([1, 2])");
}

#[tokio::test]
async fn an_input_of_any_size_arrives() {
    let stage = serializer(limits());
    for size in [0, 1, INLINE - 5, INLINE - 4, INLINE, 1 << 20, 8 << 20] {
        let mut input = b"size ".to_vec();
        input.resize(5 + size, b'x');
        assert_eq!(stage.serialize(input.into()).await.unwrap(), size.to_string());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trap_is_told_on_a_tokio_worker_and_the_next_call_works() {
    let stage = serializer(limits());
    tokio::spawn(async move {
        for (command, expected) in
            [("panic xyzzy", "told to: xyzzy"), ("overflow", "call stack exhausted"), ("exit", "it called exit with failure")]
        {
            let StageFault::Trapped(told) = fault(&stage, command).await else { panic!("{command} did not trap") };
            assert!(told.contains(expected), "{command}: {told}");
            assert!(told.contains("backtrace") && told.contains("test_misbehaving::"), "{command}: {told}");
            assert!(told.len() < 5000, "{command}: {} bytes", told.len());
            assert_eq!(ask(&stage, "echo next").await, "next", "after {command}");
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_stage_that_loops_is_stopped_and_then_kept_off_the_callers_thread() {
    let deadline = Duration::from_millis(50);
    let stage = serializer(StageLimits { deadline, ..limits() });
    assert!(stage.serialize(Bytes::from_static(b"echo x")).now_or_never().is_some(), "a good stage answers at once");
    assert_eq!(fault(&stage, "loop").await, StageFault::Deadline(deadline));
    assert_eq!(ask(&stage, "echo next").await, "next");
    // From here on, other tasks go on while it loops: this test's runtime has one thread.
    let looping = tokio::spawn(owned(Arc::clone(&stage), Bytes::from_static(b"loop")));
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
    assert!(!looping.is_finished(), "the loop kept the other tasks waiting");
    assert_eq!(looping.await.unwrap(), Err(StageFault::Deadline(deadline)));
    assert_eq!(ask(&stage, "echo next").await, "next");
}

#[tokio::test]
async fn a_stage_that_is_slow_but_in_time_is_kept_off_the_callers_thread() {
    // How long a turn takes depends on the machine; what is tried is not the stage that is watched.
    let tried = serializer(limits());
    let mut turns = 1_000_000_u64;
    let spin = loop {
        let spin = Bytes::from(format!("spin {turns}"));
        let began = Instant::now();
        tried.serialize(spin.clone()).await.unwrap();
        if began.elapsed() > Duration::from_millis(60) {
            break spin;
        }
        turns *= 2;
    };
    let stage = serializer(limits());
    for _ in 0..3 {
        assert!(stage.serialize(spin.clone()).now_or_never().is_some(), "a few slow calls may have any reason");
    }
    assert!(stage.serialize(spin.clone()).now_or_never().is_none(), "it still keeps its caller's thread");
    assert_eq!(ask(&stage, "echo next").await, "next");
}

#[tokio::test]
async fn a_long_call_within_its_deadline_is_left_alone() {
    let stage = serializer(limits());
    assert_eq!(stage.serialize(Bytes::from_static(b"spin 3000000")).await.unwrap().len(), 8);
}

#[tokio::test]
async fn memory_is_bounded() {
    let stage = serializer(limits());
    let max = limits().memory;
    for command in ["hoard", "zeros 1073741824"] {
        assert_eq!(fault(&stage, command).await, StageFault::Memory { max }, "{command}");
        assert_eq!(ask(&stage, "echo next").await, "next", "after {command}");
    }
    // An input that does not fit is the same.
    let stage = serializer(StageLimits { memory: 4 << 20, ..limits() });
    let fault = stage.serialize(Bytes::from(vec![b'x'; 8 << 20])).await.unwrap_err();
    assert_eq!(fault, StageFault::Memory { max: 4 << 20 });
    assert_eq!(ask(&stage, "echo next").await, "next");
}

#[tokio::test]
async fn output_is_bounded_before_it_is_copied_out() {
    let stage = serializer(StageLimits { memory: 3 << 30, ..limits() });
    let max = limits().output;
    assert_eq!(fault(&stage, "zeros 1073741824").await, StageFault::Output { size: max + 1, max });
    assert_eq!(ask(&stage, "echo next").await, "next");
    let exact = format!("zeros {max}");
    assert_eq!(stage.serialize(exact.into()).await.unwrap().len() as u64, max);

    let stage = load(StageLimits { output: 100, ..limits() });
    let (identity, compressor) = (stage.identity().unwrap(), stage.compressor().unwrap());
    assert_eq!(identity.generate("c", "zeros 101", None).await, Err(StageFault::Output { size: 101, max: 100 }));
    assert_eq!(identity.generate("c", "zeros 100", None).await.unwrap().len(), 100);
    let decompress = |command: &'static str, max| compressor.decompress(Bytes::from_static(command.as_bytes()), max);
    assert_eq!(decompress("zeros 51", 50).await, Err(StageFault::Output { size: 51, max: 50 }));
    assert_eq!(decompress("zeros 50", 50).await.unwrap().len(), 50);
    let fault = compressor.compress(Bytes::from_static(b"zeros 101")).await.unwrap_err();
    assert_eq!(fault, StageFault::Output { size: 101, max: 100 });
}

#[tokio::test]
async fn the_name_of_an_entry_is_bounded() {
    let identity = load(limits()).identity().unwrap();
    let fault = identity.generate("c", "zeros 1000000", None).await.unwrap_err();
    assert_eq!(fault, StageFault::Output { size: (64 << 10) + 1, max: 64 << 10 });
    assert_eq!(identity.generate("c", "echo next", None).await.unwrap(), "next");
}

#[tokio::test]
async fn a_refusal_is_in_the_stages_own_words_and_leaves_it_warm() {
    let stage = serializer(limits());
    assert_eq!(fault(&stage, "refuse not today").await, StageFault::Refused("not today".to_owned()));
    assert_eq!(ask(&stage, "calls").await, "2");
    let StageFault::Refused(words) = fault(&stage, "refuse-long 1000000").await else { panic!("not refused") };
    assert!(words.starts_with("long long") && words.len() < 5000, "{} bytes", words.len());
}

#[tokio::test]
async fn instances_stay_warm_until_they_trap() {
    let stage = serializer(limits());
    assert_eq!(ask(&stage, "calls").await, "1");
    assert_eq!(ask(&stage, "calls").await, "2");
    fault(&stage, "panic now").await;
    assert_eq!(ask(&stage, "calls").await, "1", "an instance that trapped was used again");
    assert_eq!(ask(&stage, "calls").await, "2");
}

#[tokio::test]
async fn a_fresh_stage_has_a_new_instance_for_each_call() {
    let stage = serializer(StageLimits { fresh: true, ..limits() });
    for _ in 0..50 {
        assert_eq!(ask(&stage, "calls").await, "1");
    }
}

#[tokio::test]
async fn an_instance_that_has_grown_is_retired_before_it_runs_out() {
    let stage = serializer(limits());
    let mut most = 0;
    for _ in 0..60 {
        most = most.max(ask(&stage, "keep 4000000").await.parse::<u64>().unwrap());
    }
    assert!((8_000_000..32_000_000).contains(&most), "{most} bytes were kept");
}

#[tokio::test]
async fn nothing_is_there_and_every_instance_sees_the_same() {
    let stage = serializer(StageLimits { fresh: true, ..limits() });
    assert_eq!(ask(&stage, "look").await, "files false net false args 0 clock 0 stdin 0");
    assert_eq!(ask(&stage, "sleep").await, "slept");
    assert_eq!(ask(&stage, "print 1000").await, "printed");
    let hash = || stage.serialize(Bytes::from_static(b"hash"));
    assert_eq!(hash().await.unwrap(), hash().await.unwrap(), "the order of a set differs between instances");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_tasks_share_few_instances() {
    let stage = serializer(StageLimits { instances: 3, ..limits() });
    let tasks = (0..64).map(|task| {
        let stage = Arc::clone(&stage);
        tokio::spawn(async move {
            for call in 0..50 {
                let word = format!("{task}.{call}");
                match call % 10 {
                    3 => assert!(matches!(fault(&stage, "panic now").await, StageFault::Trapped(_))),
                    7 => assert!(stage.serialize(large("calls")).await.is_ok()),
                    _ => assert_eq!(ask(&stage, &format!("echo {word}")).await, word),
                }
            }
        })
    });
    for task in join_all(tasks).await {
        task.unwrap();
    }
}

/// A call that holds the only instance of a stage until its deadline.
async fn hold(stage: &Arc<dyn Serializer>) -> tokio::task::JoinHandle<Result<Bytes, StageFault>> {
    let holding = tokio::spawn(owned(Arc::clone(stage), large("loop")));
    while stage.serialize(Bytes::from_static(b"echo x")).now_or_never().is_some() {
        tokio::task::yield_now().await;
    }
    holding
}

#[tokio::test]
async fn a_call_waits_for_an_instance_but_not_for_ever() {
    let (deadline, wait) = (Duration::from_millis(500), Duration::from_millis(20));
    let stage = serializer(StageLimits { instances: 1, deadline, wait, ..limits() });
    let holding = hold(&stage).await;
    assert_eq!(fault(&stage, "echo x").await, StageFault::Busy { max: 1 });
    assert_eq!(holding.await.unwrap(), Err(StageFault::Deadline(deadline)));
    assert_eq!(ask(&stage, "echo next").await, "next");
}

#[tokio::test]
async fn a_caller_that_gives_up_leaves_no_place_taken() {
    let stage = serializer(StageLimits { instances: 1, deadline: Duration::from_millis(100), ..limits() });
    for _ in 0..3 {
        let holding = hold(&stage).await;
        // One gives up while it is served, one while it waits, and one gets its answer.
        let waiting = tokio::spawn(owned(Arc::clone(&stage), Bytes::from_static(b"echo x")));
        let patient = tokio::spawn(owned(Arc::clone(&stage), Bytes::from_static(b"echo patient")));
        tokio::task::yield_now().await;
        holding.abort();
        waiting.abort();
        assert_eq!(patient.await.unwrap().unwrap(), "patient");
    }
    assert_eq!(ask(&stage, "echo next").await, "next");
}

#[test]
fn outside_a_runtime_calls_run_on_the_callers_thread() {
    let stage = serializer(limits());
    assert_eq!(stage.serialize(large("calls")).now_or_never().unwrap().unwrap(), "1");
    assert!(matches!(stage.serialize(Bytes::from_static(b"panic x")).now_or_never().unwrap(), Err(StageFault::Trapped(_))));
    assert_eq!(stage.serialize(large("calls")).now_or_never().unwrap().unwrap(), "1");
}

#[tokio::test]
async fn stages_run_without_reserved_places_too() {
    for reserved in [0, 2] {
        let stage = engine(reserved).load("misbehaving", &WASM, limits()).unwrap().serializer().unwrap();
        assert_eq!(ask(&stage, "echo x").await, "x");
        assert!(matches!(fault(&stage, "panic now").await, StageFault::Trapped(_)));
        assert_eq!(fault(&stage, "hoard").await, StageFault::Memory { max: limits().memory });
        assert_eq!(ask(&stage, "echo next").await, "next");
    }
}

#[tokio::test]
async fn places_are_free_again_when_a_stage_is_dropped() {
    let engine = engine(8);
    for _ in 0..4 {
        let stages = [(); 3].map(|()| engine.load("misbehaving", &WASM, limits()).unwrap().serializer().unwrap());
        for stage in &stages {
            assert_eq!(ask(stage, "echo x").await, "x");
        }
    }
}

#[tokio::test]
async fn a_cache_passes_on_nothing_of_a_component_that_is_no_cbor() {
    let stages = Stages::builtin().with_compressor("odd", load(limits()).compressor().unwrap()).unwrap();
    let store = Arc::new(MemoryStore::new());
    let options = CacheOptions { compressor: "odd".into(), ..CacheOptions::default() };
    let cache = Caches::new(store.clone()).with_stages(stages).open("pages", Some(options)).unwrap();
    let envelope =
        Envelope { compressed: true, serializer: StageId::CBOR, compressor: StageId::named("odd"), ..Envelope::default() };
    let put = async |payload: &[u8]| {
        let entry = Entry { key: "cache:pages:a".to_owned(), bytes: envelope.seal(payload).unwrap() };
        store.set(&entry, None).await.unwrap();
    };
    put(b"echo \x07").await;
    assert_eq!(cache.get::<u8>("a").await.unwrap(), Some(7));
    for not_cbor in [&b"echo \xff"[..], b"echo \x07\x07", b"echo"] {
        put(not_cbor).await;
        let Err(Error::Stage(failed)) = cache.get_cbor("a", None).await else { panic!("{not_cbor:?} was passed on") };
        assert!(matches!(failed.why, StageFault::NotCbor(_)), "{failed}");
        assert_eq!((failed.kind, &*failed.name), (StageKind::Compressor, "odd"));
    }
}

/// A component of nothing but these imports, each of an interface with one function (component model, binary format).
fn importing(names: &[&str]) -> Vec<u8> {
    let mut imports = vec![u8::try_from(names.len()).unwrap()];
    for name in names {
        imports.extend([0, u8::try_from(name.len()).unwrap()]);
        imports.extend(name.as_bytes());
        imports.extend([5, 0]);
    }
    let mut bytes = b"\0asm\x0d\0\x01\0\x07\x0e\x01\x42\x02\x01\x40\0\x01\0\x04\0\x01f\x01\0\x0a".to_vec();
    bytes.push(u8::try_from(imports.len()).unwrap());
    bytes.extend(imports);
    bytes
}

/// A component that exports an empty instance under this name.
fn exporting(name: &str) -> Vec<u8> {
    let mut export = vec![1, 0, u8::try_from(name.len()).unwrap()];
    export.extend(name.as_bytes());
    export.extend([5, 0, 0]);
    let mut bytes = b"\0asm\x0d\0\x01\0\x05\x03\x01\x01\0\x0b".to_vec();
    bytes.push(u8::try_from(export.len()).unwrap());
    bytes.extend(export);
    bytes
}

#[test]
fn what_is_no_stage_is_not_loaded_and_says_why() {
    let truncated = &WASM[..WASM.len() / 2];
    for (what, wasm, expected) in [
        ("nothing", Vec::new(), vec!["is not WebAssembly", "wasm32-wasip2"]),
        ("text", b"#!/bin/sh\n".to_vec(), vec!["is not WebAssembly"]),
        ("a core module", b"\0asm\x01\0\0\0".to_vec(), vec!["core WebAssembly module", "wasm-tools component new"]),
        ("half a component", truncated.to_vec(), vec!["is no component that this version can run"]),
        ("an empty component", b"\0asm\x0d\0\x01\0".to_vec(), vec!["exports no stage", "bellwether:core/serializer@0.2.0"]),
        (
            "another export",
            exporting("wasi:cli/run@0.3.0"),
            vec!["exports no stage", "bellwether:core/identity@0.2.0", "bellwether:core/compressor@0.2.0"],
        ),
        (
            "a stage with no functions",
            exporting("bellwether:core/serializer@0.2.0"),
            vec!["not as the contract has it", "serialize"],
        ),
        (
            "imports",
            importing(&["bellwether:core/lock@0.1.0", "wasi:random/random@0.2.3", "wasi:http/types@0.2.3"]),
            vec!["imports bellwether:core/lock@0.1.0, wasi:http/types@0.2.3, which no stage is granted"],
        ),
    ] {
        let error = ENGINE.load("the-stage", &wasm, limits()).unwrap_err();
        assert!(matches!(&error, Error::Invalid(Invalid::Component { name, .. }) if name == "the-stage"), "{what}: {error}");
        for part in expected {
            assert!(error.to_string().contains(part), "{what}: {error}");
        }
    }
}

#[test]
fn limits_under_which_nothing_works_are_refused() {
    for wrong in [
        StageLimits { instances: 0, ..limits() },
        StageLimits { deadline: Duration::ZERO, ..limits() },
        StageLimits { deadline: Duration::MAX, ..limits() },
    ] {
        let error = ENGINE.load("misbehaving", &WASM, wrong.clone()).unwrap_err();
        assert!(matches!(error, Error::Invalid(Invalid::Config { .. })), "{wrong:?}: {error}");
    }
    let error = ENGINE.load("misbehaving", &WASM, StageLimits { memory: 64 << 10, ..limits() }).unwrap_err();
    assert!(error.to_string().contains("does not start: it wanted more than its 65536 bytes of memory"), "{error}");
}

#[test]
fn compiled_code_is_found_again() {
    let directory = tempfile::tempdir().unwrap();
    let code_cache = CodeCache::Directory(directory.path().join("made/if/need/be"));
    let options = StageEngineOptions { code_cache, ..StageEngineOptions::default() };
    let first = StageEngine::new(&options).unwrap();
    first.load("misbehaving", &WASM, limits()).unwrap();
    assert_eq!(first.code_cache_hits(), 0);
    drop(first);
    let second = StageEngine::new(&options).unwrap();
    let stage = second.load("misbehaving", &WASM, limits()).unwrap();
    assert_eq!(second.code_cache_hits(), 1);
    assert!(stage.identity().is_some() && stage.serializer().is_some() && stage.compressor().is_some());
}

#[test]
fn a_code_cache_that_cannot_be_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let code_cache = CodeCache::Directory(file.path().join("under-a-file"));
    let error = StageEngine::new(&StageEngineOptions { code_cache, ..StageEngineOptions::default() }).unwrap_err();
    assert!(matches!(error, Error::Invalid(Invalid::Config { .. })), "{error}");
    assert!(error.to_string().contains("under-a-file"), "{error}");
    let off = StageEngineOptions { code_cache: CodeCache::Off, ..StageEngineOptions::default() };
    assert_eq!(StageEngine::new(&off).unwrap().code_cache_hits(), 0);
}
