//! Runs the benchmarks. Without arguments all of them, in turn; `benches/run` does the rest.

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
        [] => report::print(&driver::run(None, 5)?),
        ["only", scenario, rounds] => report::print(&driver::run(Some(scenario), rounds.parse()?)?),
        _ => bail!("bench [only SCENARIO ROUNDS]"),
    }
}

fn tell(figures: &Figures) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    serde_json::to_writer(&mut out, figures)?;
    writeln!(out)?;
    // The runtime may still have a connection open.
    std::process::exit(0);
}
