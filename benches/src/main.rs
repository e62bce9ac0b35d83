//! Runs the benchmarks. Without arguments it runs all of them and puts the figures into
//! `docs/performance.md`; `bench only consume:0 3` runs one, for three rounds, and prints them.

#![allow(clippy::cast_precision_loss, reason = "figures are for people")]

mod compile;
mod driver;
mod report;

use std::io::Write as _;

use anyhow::{Context as _, bail};
use benches::measure::Figures;
use benches::scenario::Scenario;
use benches::subject::Work;
use benches::{load, subject};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let port = |text: &str| text.parse::<u16>().context("no port");
    match arguments[..] {
        ["load", scenario] => tell(&load::run(scenario.parse()?, None)?),
        ["load", scenario, broker] => tell(&load::run(scenario.parse()?, Some(port(broker)?))?),
        ["subject", subject, scenario, at, ref broker @ ..] => {
            let scenario: Scenario = scenario.parse()?;
            let (port, messages, says_ready) = (port(at)?, scenario.messages(), !broker.is_empty());
            let work = Work { scenario, messages, port, says_ready };
            tell(&subject::run(subject.parse()?, work)?)
        }
        [] => report::store(&driver::run(None, 5)?, &compile::run()?),
        ["only", scenario, rounds] => report::print(&driver::run(Some(scenario), rounds.parse()?)?),
        _ => bail!(
            "bench [only SCENARIO ROUNDS], with a scenario such as consume:0 or mosquitto:request:1"
        ),
    }
}

fn tell(figures: &Figures) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    serde_json::to_writer(&mut out, figures)?;
    writeln!(out)?;
    // The runtime may still have a connection open.
    std::process::exit(0);
}
