//! Writes the figures into `docs/performance.md`, between two marks.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use benches::measure::{Figures, median_of};
use benches::scenario::Scenario;
use benches::subject::Subject;

use crate::compile::{SIZE, SIZE_WITHOUT_FILE};
use crate::driver::Measured;

const BEGIN: &str = "<!-- figures begin -->\n";
const END: &str = "<!-- figures end -->\n";

/// What is compared, and how.
#[derive(Clone, Copy, Debug)]
enum Bound {
    /// At least so many times rumqttc's.
    MinRatio(f64),
    /// At most so many times rumqttc's.
    MaxRatio(f64),
    /// At most so much more than rumqttc's.
    MaxDifference(f64),
    /// At most this.
    Max(f64),
}

/// A line of the table.
struct Row {
    name: &'static str,
    scenario: Scenario,
    figure: &'static str,
    /// What a figure is multiplied with, and its unit then.
    unit: (f64, &'static str),
    bound: Bound,
}

const K: (f64, &str) = (1e-3, "k/s");
const MICROS: (f64, &str) = (1.0, "µs");
const MILLIS: (f64, &str) = (1.0, "ms");
const MIB: (f64, &str) = (1.0 / 1024.0, "MiB");

fn rows() -> Vec<Row> {
    let row = |name, scenario, figure, unit, bound| Row { name, scenario, figure, unit, bound };
    let (consume_0, consume_1) = (Scenario::Consume { qos: 0 }, Scenario::Consume { qos: 1 });
    let (one, many) = (Scenario::Request { outstanding: 1 }, Scenario::Request { outstanding: 64 });
    let (publish_0, publish_1) = (Scenario::Publish { qos: 0 }, Scenario::Publish { qos: 1 });
    vec![
        row("consume QoS 0", consume_0, "rate", K, Bound::MinRatio(0.95)),
        row("consume QoS 1", consume_1, "rate", K, Bound::MinRatio(1.0)),
        row(
            "processor time a message, QoS 0",
            consume_0,
            "cpu_us",
            MICROS,
            Bound::MaxDifference(0.15),
        ),
        row(
            "processor time a message, QoS 1",
            consume_1,
            "cpu_us",
            MICROS,
            Bound::MaxDifference(0.4),
        ),
        row("request and reply, one at a time, p50", one, "p50_us", MICROS, Bound::MaxRatio(1.3)),
        row("request and reply, 64 outstanding", many, "rate", K, Bound::MinRatio(0.8)),
        row("publish QoS 0", publish_0, "rate", K, Bound::MinRatio(2.5)),
        row("publish QoS 1, receipts awaited", publish_1, "rate", K, Bound::MinRatio(2.5)),
        row(
            "first message after an outage, most",
            Scenario::Reconnect,
            "reconnect_max_ms",
            MILLIS,
            Bound::Max(50.0),
        ),
        row("memory while idle", Scenario::Idle, "resident_kib", MIB, Bound::MaxDifference(2.0)),
    ]
}

/// Prints what was measured as the tables of the report.
pub(crate) fn print(all: &[Measured]) -> anyhow::Result<()> {
    use std::io::Write as _;
    Ok(std::io::stdout().write_all(tables(all)?.as_bytes())?)
}

/// Puts what was measured into the report.
pub(crate) fn store(all: &[Measured], compiled: &[Figures; 2]) -> anyhow::Result<()> {
    let path = root().join("docs/performance.md");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let (before, rest) = text.split_once(BEGIN).context("the mark where figures begin")?;
    let (_, after) = rest.split_once(END).context("the mark where figures end")?;
    let figures = machine()? + &tables(all)? + &costs()? + &compilation(compiled)?;
    Ok(std::fs::write(path, format!("{before}{BEGIN}{figures}{END}{after}"))?)
}

fn tables(all: &[Measured]) -> anyhow::Result<String> {
    let mut out = String::new();
    out += "\n### Direct: the load generator is the server\n\n";
    out += "| work | bound | rumqttc | tars-mqtt | reached | duplicates filtered |\n";
    out += "| --- | --- | --- | --- | --- | --- |\n";
    for row in rows() {
        let found = all.iter().find(|m| m.scenario == row.scenario && !m.via_mosquitto);
        if let Some(measured) = found {
            line(&mut out, &row, measured)?;
        }
    }
    growth(&mut out, all)?;
    out += "\n### Through mosquitto\n\n";
    out += "| work | rumqttc | tars-mqtt | times | duplicates filtered |\n";
    out += "| --- | --- | --- | --- | --- |\n";
    for measured in all.iter().filter(|measured| measured.via_mosquitto) {
        let row = rows().into_iter().find(|row| row.scenario == measured.scenario);
        let Some(Row { name, figure, unit, .. }) = row else { continue };
        let [raw, ours, deduped] = values(measured, figure);
        let times = median_of(&ratios(&ours, &raw));
        writeln!(
            out,
            "| {name} | {} | {} | {times:.2}× | {} |",
            shown(&raw, unit),
            shown(&ours, unit),
            shown(&deduped, unit)
        )?;
    }
    Ok(out)
}

fn line(out: &mut String, row: &Row, measured: &Measured) -> anyhow::Result<()> {
    let [raw, ours, deduped] = values(measured, row.figure);
    let times = |ours: &[f64]| median_of(&ratios(ours, &raw));
    let more = |ours: &[f64]| (median_of(ours) - median_of(&raw)) * row.unit.0;
    let unit = row.unit.1;
    let (bound, reached, holds) = match row.bound {
        Bound::MinRatio(bound) => {
            (format!("≥ {bound}×"), format!("{:.2}×", times(&ours)), times(&ours) >= bound)
        }
        Bound::MaxRatio(bound) => {
            (format!("≤ {bound}×"), format!("{:.2}×", times(&ours)), times(&ours) <= bound)
        }
        Bound::MaxDifference(bound) => (
            format!("≤ +{bound} {unit}"),
            format!("{:+.2} {unit}", more(&ours)),
            more(&ours) <= bound,
        ),
        Bound::Max(bound) => {
            let reached = median_of(&ours) * row.unit.0;
            (format!("≤ {bound} {unit}"), format!("{reached:.2} {unit}"), reached <= bound)
        }
    };
    let filtered = if deduped.is_empty() {
        "–".to_owned()
    } else if matches!(row.bound, Bound::MaxDifference(_)) {
        format!("{:+.2} {unit}", more(&deduped))
    } else {
        format!("{:.2}×", times(&deduped))
    };
    let verdict = if holds { "" } else { ", **not reached**" };
    writeln!(
        out,
        "| {} | {bound} | {} | {} | {reached}{verdict} | {filtered} |",
        row.name,
        shown(&raw, row.unit),
        shown(&ours, row.unit)
    )?;
    Ok(())
}

/// How the cost of a message grows with the number of filters.
fn growth(out: &mut String, all: &[Measured]) -> anyhow::Result<()> {
    *out += "\n| processor time a message with | 1 | 1,000 | 10,000 | growth, bound 1.2× |\n";
    *out += "| --- | --- | --- | --- | --- |\n";
    for (name, wild) in [("handlers", false), ("handlers, the others with wildcards", true)] {
        let of = |count| {
            let scenario = Scenario::Handlers { count, wild };
            let found = all.iter().find(|measured| measured.scenario == scenario);
            found.map(|measured| values(measured, "cpu_us")[1].clone()).unwrap_or_default()
        };
        let [one, thousand, ten_thousand] = [of(1), of(1_000), of(10_000)];
        if one.is_empty() {
            continue;
        }
        let growth = median_of(&ten_thousand) / median_of(&one);
        let verdict = if growth <= 1.2 { "" } else { ", **not reached**" };
        writeln!(
            out,
            "| {name} | {} | {} | {} | {growth:.2}×{verdict} |",
            shown(&one, MICROS),
            shown(&thousand, MICROS),
            shown(&ten_thousand, MICROS)
        )?;
    }
    Ok(())
}

/// Of the three subjects, in order, what all rounds gave.
fn values(measured: &Measured, figure: &str) -> [Vec<f64>; 3] {
    [Subject::Raw, Subject::Framework, Subject::Deduped].map(|subject| {
        let rounds = measured.subjects.get(&subject).map_or(&[][..], Vec::as_slice);
        rounds.iter().filter_map(|figures| figures.get(figure).copied()).collect()
    })
}

/// Round by round, so that what the machine did meanwhile is in both.
fn ratios(ours: &[f64], raw: &[f64]) -> Vec<f64> {
    ours.iter().zip(raw).map(|(ours, raw)| ours / raw).collect()
}

/// The median, and the least and the most.
fn shown(values: &[f64], (factor, unit): (f64, &str)) -> String {
    if values.is_empty() {
        return "–".to_owned();
    }
    let number = |value: f64| {
        let value = value * factor;
        if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
    };
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{} {unit} ({} to {})", number(median_of(values)), number(least), number(most))
}

/// What the gate compares with.
fn costs() -> anyhow::Result<String> {
    let path = root().join("benches/baseline.json");
    let stored: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let costs = stored["costs"].as_object().context("no costs are stored")?;
    let mut out = "\n### Instructions and allocations a message\n\n\
         | work, load generator included | instructions | allocations |\n| --- | --- | --- |\n"
        .to_owned();
    for (name, cost) in costs {
        let [instructions, allocations] =
            ["instructions", "allocations"].map(|key| cost[key].as_f64().unwrap_or(f64::NAN));
        writeln!(out, "| {name} | {instructions:.0} | {allocations:.2} |")?;
    }
    Ok(out)
}

fn compilation([ours, by_hand]: &[Figures; 2]) -> anyhow::Result<String> {
    let mut out = "\n### Compilation\n\n\
         | of the quickstart | by hand on rumqttc | tars-mqtt | times, bound 1.3 |\n\
         | --- | --- | --- | --- |\n"
        .to_owned();
    for (name, ours) in ours {
        let by_hand = by_hand[name];
        let times = ours / by_hand;
        let verdict = if times <= 1.3 { "" } else { ", **not reached**" };
        writeln!(out, "| {name} | {by_hand:.2} | {ours:.2} | {times:.2}×{verdict} |")?;
    }
    writeln!(
        out,
        "\nBoth read their settings from the environment and from a configuration file; without the \
         file, both are\nbuilt without TOML. The quickstart with it is {:.2} times the one by hand \
         without it.",
        ours[SIZE] / by_hand[SIZE_WITHOUT_FILE]
    )?;
    Ok(out)
}

fn machine() -> anyhow::Result<String> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let model = model.trim_start_matches(['\t', ':', ' ']);
    let cores = std::thread::available_parallelism()?;
    let says = |program: &str, argument: &str| -> anyhow::Result<String> {
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let said = Command::new(program).arg(argument).env("PATH", path).output()?;
        let said = String::from_utf8(said.stdout)?;
        Ok(said.lines().next().unwrap_or_default().to_owned())
    };
    let lock = std::fs::read_to_string(root().join("Cargo.lock"))?;
    let rumqttc = lock.split_once("name = \"rumqttc\"\nversion = \"").context("no rumqttc")?.1;
    let rumqttc = rumqttc.split('"').next().unwrap_or_default();
    Ok(format!(
        "\nOn {cores} cores of {model}, Linux {}, {}, {}, rumqttc {rumqttc}. Medians of five rounds, \
         least and most in\nbrackets.\n",
        says("uname", "-r")?,
        says("rustc", "--version")?,
        says("mosquitto", "-h")?,
    ))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}
