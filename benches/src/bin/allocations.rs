//! Prints how many blocks of memory a message takes, from its arrival to its end.

#![allow(clippy::cast_precision_loss, reason = "figures are for people")]

use std::io::Write as _;

use anyhow::bail;
use benches::in_process;
use benches::scenario::Scenario;
use benches::subject::Subject;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// What the first run needs and no later one is left out.
const WARM_UP: u64 = 1_000;
const MESSAGES: u64 = 11_000;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [subject, scenario] = &arguments[..] else { bail!("allocations SUBJECT SCENARIO") };
    let (subject, scenario): (Subject, Scenario) = (subject.parse()?, scenario.parse()?);
    let _profiler = dhat::Profiler::builder().testing().build();
    let blocks = |messages| {
        let before = dhat::HeapStats::get().total_blocks;
        in_process::run(subject, scenario, messages)?;
        anyhow::Ok(dhat::HeapStats::get().total_blocks - before)
    };
    let (few, many) = (blocks(WARM_UP)?, blocks(MESSAGES)?);
    let each = (many.saturating_sub(few)) as f64 / (MESSAGES - WARM_UP) as f64;
    writeln!(std::io::stdout(), "{each:.4}")?;
    Ok(())
}
