use crate::steps::Steps;
use anyhow::Result;
use clap::Args;
#[derive(Debug, Args)]
pub(crate) struct Options {}
pub(crate) fn run(_: &Steps, _: &Options) -> Result<()> {
    Ok(())
}
