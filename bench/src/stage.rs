//! `stage-*`: what it costs that a stage is a component.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use bellwether::stage::component::{CodeCache, StageEngine, StageEngineOptions, StageLimits};
use bellwether::stage::{Compressor, Serializer, Work};
use bytes::Bytes;
use futures_util::FutureExt as _;

use crate::document::document;
use crate::measure::{Figure, in_turn, median, micros};

/// Measures every `stage-*` case and hands each figure to `print`.
pub(crate) fn run(component: &Path, rounds: usize, print: &mut dyn FnMut(Figure) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let wasm = std::fs::read(component).with_context(|| format!("cannot read {}", component.display()))?;
    let cache = tempfile::tempdir()?;
    let options =
        StageEngineOptions { code_cache: CodeCache::Directory(cache.path().to_path_buf()), ..StageEngineOptions::default() };
    let engine = StageEngine::new(&options)?;
    let stage = engine.load("bench", &wasm, StageLimits::default())?;
    let echo = stage.serializer().context("the component has no serializer")?;
    let zlib = stage.compressor().context("the component has no compressor")?;

    print(warm_small(echo.as_ref(), rounds)?)?;
    print(warm_large(echo.as_ref(), rounds)?)?;
    print(fresh(&engine, &wasm, echo.as_ref(), rounds)?)?;
    print(load(&options, &wasm, rounds)?)?;
    for figure in deflate(&zlib, rounds)? {
        print(figure)?;
    }
    Ok(())
}

fn warm_small(echo: &dyn Serializer, rounds: usize) -> anyhow::Result<Figure> {
    let value = Bytes::from_static(b"\x4f123456789012345");
    let (stage, copies) =
        in_turn(rounds * 10, 10_000, || answer(echo.serialize(value.clone())).map(drop), || copy_twice(&value))?;
    let figure = Figure::new("stage-warm-16b", "µs", (micros(stage), micros(copies)), rounds * 100_000);
    Ok(figure.against("two copies").goal("≤ 0.35 µs"))
}

fn warm_large(echo: &dyn Serializer, rounds: usize) -> anyhow::Result<Figure> {
    let value = Bytes::from(vec![7; 1 << 20]);
    let (stage, copies) = in_turn(rounds * 10, 20, || answer(echo.serialize(value.clone())).map(drop), || copy_twice(&value))?;
    let figure = Figure::new("stage-warm-1mib", "µs", (micros(stage), micros(copies)), rounds * 200);
    Ok(figure.against("two memcpys into new memory").goal("≤ 1.3 ×"))
}

fn fresh(engine: &StageEngine, wasm: &[u8], kept: &dyn Serializer, rounds: usize) -> anyhow::Result<Figure> {
    let limits = StageLimits { fresh: true, ..StageLimits::default() };
    let stage = engine.load("bench-fresh", wasm, limits)?.serializer().context("the component has no serializer")?;
    let value = Bytes::from_static(b"\x4f123456789012345");
    let (fresh, kept) = in_turn(
        rounds * 10,
        200,
        || answer(stage.serialize(value.clone())).map(drop),
        || answer(kept.serialize(value.clone())).map(drop),
    )?;
    let figure = Figure::new("stage-fresh", "µs", (micros(fresh), micros(kept)), rounds * 2_000);
    Ok(figure.against("a warm call; both include the call").goal("≤ 15 µs"))
}

fn load(options: &StageEngineOptions, wasm: &[u8], rounds: usize) -> anyhow::Result<Figure> {
    let (mut cached, mut compiled) = (Vec::new(), Vec::new());
    for _ in 0..rounds * 3 {
        let engine = StageEngine::new(options)?;
        let start = Instant::now();
        engine.load("bench", wasm, StageLimits::default())?;
        cached.push(start.elapsed());
        let engine = StageEngine::new(&StageEngineOptions { code_cache: CodeCache::Off, ..options.clone() })?;
        let start = Instant::now();
        engine.load("bench", wasm, StageLimits::default())?;
        compiled.push(start.elapsed());
    }
    let values = (micros(median(&mut cached)) / 1e3, micros(median(&mut compiled)) / 1e3);
    Ok(Figure::new("stage-load", "ms", values, rounds * 3).against("compiling it").goal("≤ 5 ms"))
}

fn deflate(zlib: &Arc<dyn Compressor>, rounds: usize) -> anyhow::Result<[Figure; 2]> {
    let plain = Bytes::from(document(16 << 10));
    let native = miniz_oxide::deflate::compress_to_vec_zlib(&plain, 6);
    let Some(packed) = answer(zlib.compress(plain.clone()))? else { bail!("the document does not get smaller") };
    if answer(zlib.decompress(packed.clone(), 1 << 20))? != plain {
        bail!("the stage does not give back what it was given");
    }
    let compress = in_turn(
        rounds * 5,
        40,
        || answer(zlib.compress(plain.clone())).map(drop),
        || {
            std::hint::black_box(miniz_oxide::deflate::compress_to_vec_zlib(&plain, 6));
            Ok(())
        },
    )?;
    let decompress = in_turn(
        rounds * 5,
        200,
        || answer(zlib.decompress(packed.clone(), 1 << 20)).map(drop),
        || match miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(&native, 1 << 20) {
            Ok(bytes) => {
                std::hint::black_box(bytes);
                Ok(())
            }
            Err(why) => bail!("miniz_oxide: {why}"),
        },
    )?;
    let figure = |case, (stage, native): (Duration, Duration), n| {
        Figure::new(case, "µs", (micros(stage), micros(native)), n).against("the same crate, native")
    };
    Ok([
        figure("stage-compress", compress, rounds * 200).goal("≤ 1.3 ×"),
        figure("stage-decompress", decompress, rounds * 1_000).goal("≤ 1.7 ×"),
    ])
}

/// What a stage gives at once, as it does for inputs that are not moved to another thread.
fn answer<T>(work: Work<'_, T>) -> anyhow::Result<T> {
    Ok(work.now_or_never().context("the stage did not answer at once")??)
}

/// The least that a stage call must do: the bytes go in and come out.
#[allow(clippy::unnecessary_wraps, reason = "stands beside a call that can fail")]
fn copy_twice(bytes: &[u8]) -> anyhow::Result<()> {
    let inside = std::hint::black_box(bytes.to_vec());
    std::hint::black_box(inside.clone());
    Ok(())
}
