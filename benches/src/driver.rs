use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use benches::measure::Figures;
use benches::scenario::Scenario;
use benches::subject::Subject;
use tests::Mosquitto;

/// What all rounds of a scenario gave for one subject.
pub(crate) type Rounds = Vec<Figures>;

/// What was measured.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) scenario: Scenario,
    pub(crate) via_mosquitto: bool,
    pub(crate) subjects: BTreeMap<Subject, Rounds>,
}

const DIRECT: [Scenario; 14] = [
    Scenario::Consume { qos: 0 },
    Scenario::Consume { qos: 1 },
    Scenario::Request { outstanding: 1 },
    Scenario::Request { outstanding: 64 },
    Scenario::Publish { qos: 0 },
    Scenario::Publish { qos: 1 },
    Scenario::Handlers { count: 1, wild: false },
    Scenario::Handlers { count: 1_000, wild: false },
    Scenario::Handlers { count: 10_000, wild: false },
    Scenario::Handlers { count: 1, wild: true },
    Scenario::Handlers { count: 1_000, wild: true },
    Scenario::Handlers { count: 10_000, wild: true },
    Scenario::Reconnect,
    Scenario::Idle,
];

const THROUGH_MOSQUITTO: [Scenario; 4] = [
    Scenario::Consume { qos: 1 },
    Scenario::Request { outstanding: 1 },
    Scenario::Request { outstanding: 64 },
    Scenario::Publish { qos: 1 },
];

/// Runs scenarios, subjects in turn, so that the machine's mood meets all of them.
pub(crate) fn run(only: Option<&str>, rounds: usize) -> anyhow::Result<Vec<Measured>> {
    let mut all = Vec::new();
    for scenario in &DIRECT {
        if only.is_none_or(|only| only == scenario.to_string()) {
            all.push(measure(*scenario, None, rounds)?);
        }
    }
    let runtime = tokio::runtime::Runtime::new()?;
    let settings = "allow_anonymous true\nmax_inflight_messages 1000\nmax_queued_messages 0\n";
    for scenario in THROUGH_MOSQUITTO {
        let through = format!("mosquitto:{scenario}");
        if only.is_none_or(|only| only == through) {
            let port = tests::free_port();
            let settings = format!("{settings}listener {port} 127.0.0.1\n");
            let broker = runtime.block_on(Mosquitto::start_with(&settings));
            let _broker = broker.context("mosquitto is not installed")?;
            all.push(measure(scenario, Some(port), rounds)?);
        }
    }
    ensure!(!all.is_empty(), "there is no such scenario");
    Ok(all)
}

fn measure(scenario: Scenario, broker: Option<u16>, rounds: usize) -> anyhow::Result<Measured> {
    let mut subjects: BTreeMap<Subject, Rounds> = BTreeMap::new();
    for _ in 0..rounds {
        for &subject in subjects_of(scenario) {
            let figures = once(subject, scenario, broker)
                .with_context(|| format!("{subject}, {scenario}"))?;
            writeln!(std::io::stderr(), "{scenario} {broker:?} {subject}: {figures:.2?}")?;
            subjects.entry(subject).or_default().push(figures);
        }
    }
    Ok(Measured { scenario, via_mosquitto: broker.is_some(), subjects })
}

fn subjects_of(scenario: Scenario) -> &'static [Subject] {
    match scenario {
        Scenario::Consume { .. } | Scenario::Request { .. } => {
            &[Subject::Raw, Subject::Framework, Subject::Deduped]
        }
        Scenario::Handlers { .. } => &[Subject::Framework],
        _ => &[Subject::Raw, Subject::Framework],
    }
}

/// A process that is ended when it is no longer needed.
struct Process(Child);

impl Process {
    fn start(arguments: &[String]) -> anyhow::Result<(Self, BufReader<ChildStdout>)> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().context("no output")?;
        Ok((Self(child), BufReader::new(output)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn once(subject: Subject, scenario: Scenario, broker: Option<u16>) -> anyhow::Result<Figures> {
    let mut load = vec!["load".to_owned(), scenario.to_string()];
    load.extend(broker.map(|port| port.to_string()));
    let (load, mut load_says) = Process::start(&load)?;
    let port = line(&mut load_says)?;
    let mut subject =
        vec!["subject".to_owned(), subject.to_string(), scenario.to_string(), port.trim().into()];
    subject.extend(broker.map(|_| "broker".to_owned()));
    let (_subject, mut subject_says) = Process::start(&subject)?;
    let mut figures: Figures = serde_json::from_str(&line(&mut subject_says)?)?;
    if matches!(scenario, Scenario::Request { .. } | Scenario::Reconnect) {
        let measured: Figures = serde_json::from_str(&line(&mut load_says)?)?;
        figures.extend(measured);
    }
    drop(load);
    Ok(figures)
}

fn line(from: &mut impl BufRead) -> anyhow::Result<String> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    if line.is_empty() {
        bail!("it ended without a word");
    }
    Ok(line)
}
