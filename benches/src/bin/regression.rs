//! Compares what a message costs, in instructions and in blocks of memory, with what is stored. Both
//! hardly depend on how busy the machine is.
//!
//! `regression` compares, `regression --store` stores.

#![allow(clippy::cast_precision_loss, reason = "figures are for people")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};

/// How much more a message may cost.
const TOLERANCE: f64 = 0.03;

/// The costs of a run with many messages less those of one with few are those of the messages.
const FEW: u64 = 2_000;
const MANY: u64 = 12_000;

const SUBJECTS: [&str; 3] = ["rumqttc", "tars-mqtt", "tars-mqtt, duplicates filtered"];
const SCENARIOS: [&str; 3] = ["consume:0", "consume:1", "request:64"];

/// What is stored.
#[derive(Debug, Serialize, Deserialize)]
struct Baseline {
    /// The compiler that made the programs: another one makes others.
    rustc: String,
    /// For each message, by scenario and subject.
    costs: BTreeMap<String, Cost>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Cost {
    instructions: f64,
    allocations: f64,
}

fn main() -> anyhow::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline.json");
    let now = Baseline { rustc: rustc()?, costs: measure()? };
    if std::env::args().nth(1).as_deref() == Some("--store") {
        let text = serde_json::to_string_pretty(&now)? + "\n";
        return std::fs::write(&path, text).with_context(|| path.display().to_string());
    }
    let stored = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let stored: Baseline = serde_json::from_str(&stored)?;
    ensure!(
        stored.rustc == now.rustc,
        "the stored costs are those of programs made with {}, and these were made with {}; \
         store new ones with `regression --store`",
        stored.rustc,
        now.rustc
    );
    compare(&stored.costs, &now.costs)
}

fn measure() -> anyhow::Result<BTreeMap<String, Cost>> {
    let mut costs = BTreeMap::new();
    for scenario in SCENARIOS {
        for subject in SUBJECTS {
            let few = instructions(subject, scenario, FEW)?;
            let many = instructions(subject, scenario, MANY)?;
            let instructions = (many - few) / (MANY - FEW) as f64;
            let cost = Cost {
                instructions: instructions.round(),
                allocations: allocations(subject, scenario)?,
            };
            costs.insert(format!("{scenario} {subject}"), cost);
        }
    }
    Ok(costs)
}

fn compare(stored: &BTreeMap<String, Cost>, costs: &BTreeMap<String, Cost>) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    let mut worse = Vec::new();
    for (name, cost) in costs {
        let before = stored.get(name).with_context(|| format!("nothing is stored for {name}"))?;
        let pairs = [
            ("instructions", before.instructions, cost.instructions),
            ("allocations", before.allocations, cost.allocations),
        ];
        for (what, before, now) in pairs {
            let change = (now / before - 1.0) * 100.0;
            writeln!(
                out,
                "{name}: {now:.2} {what} a message, {before:.2} stored ({change:+.1} %)"
            )?;
            // What rumqttc costs is shown, and not ours to answer for.
            if now > before * (1.0 + TOLERANCE) && !name.ends_with("rumqttc") {
                worse.push(format!("{name}: {what} {before:.2} -> {now:.2}"));
            }
        }
    }
    if !worse.is_empty() {
        bail!("a message costs more than it did:\n{}", worse.join("\n"));
    }
    Ok(())
}

fn instructions(subject: &str, scenario: &str, messages: u64) -> anyhow::Result<f64> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    valgrind.arg(beside("instructions")?).args([subject, scenario, &messages.to_string()]);
    let ran = valgrind.output().context("valgrind is not installed")?;
    let said = String::from_utf8_lossy(&ran.stderr);
    ensure!(ran.status.success(), "{said}");
    let count = said.lines().find_map(|line| line.split_once("Collected : "));
    Ok(count.context("valgrind did not count")?.1.trim().parse()?)
}

/// The least of some runs: how many packets the hand-written loop reads at once is not always the same,
/// and it needs memory for them.
fn allocations(subject: &str, scenario: &str) -> anyhow::Result<f64> {
    let mut least = f64::INFINITY;
    for _ in 0..5 {
        let blocks = output(Command::new(beside("allocations")?).args([subject, scenario]))?;
        least = least.min(blocks.trim().parse()?);
    }
    Ok(least)
}

/// Another program of this package.
fn beside(name: &str) -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe()?;
    Ok(this.parent().context("a program without a folder")?.join(name))
}

fn rustc() -> anyhow::Result<String> {
    Ok(output(Command::new("rustc").arg("--version"))?.trim().to_owned())
}

fn output(command: &mut Command) -> anyhow::Result<String> {
    let ran = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    Ok(String::from_utf8(ran.stdout)?)
}
