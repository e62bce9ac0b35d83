//! Inputs by the thousand, each made from its own number, so that every run is the same.
//!
//! `TARS_MQTT_FUZZ` is the number of inputs for each target, `TARS_MQTT_FUZZ_FROM` that of the first
//! one: `.ci/fuzz` runs many, and one that fails is run alone by its number.

#[allow(unreachable_pub, reason = "under `--cfg fuzzing` another program uses it")]
mod corpus;
mod matching;
mod patterns;
mod reference;
mod router;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use fastrand::Rng;

#[allow(unreachable_pub, reason = "as above")]
pub use corpus::Target;
pub(crate) use corpus::target;

/// Real envelopes, one in each line.
pub(crate) const ENVELOPES: &str = include_str!("envelopes.jsonl");

/// More of them would say the same.
const MOST_FAILURES: usize = 5;

/// Runs a target, which says what became of each input, and expects at least these shares of
/// verdicts in percent: a target that refuses everything tests nothing.
pub(crate) fn fuzz(
    target: &str,
    usual: u64,
    shares: &[(&str, u64)],
    mut run: impl FnMut(&mut Rng) -> &'static str,
) {
    let inputs = setting("TARS_MQTT_FUZZ").unwrap_or(usual);
    let first = setting("TARS_MQTT_FUZZ_FROM").unwrap_or(0);
    let started = Instant::now();
    let mut verdicts: BTreeMap<&str, u64> = BTreeMap::new();
    let mut failed = Vec::new();
    for number in first..first + inputs {
        let mut rng = Rng::with_seed(number);
        match catch_unwind(AssertUnwindSafe(|| run(&mut rng))) {
            Ok(verdict) => *verdicts.entry(verdict).or_default() += 1,
            Err(_) => failed.push(number),
        }
        if failed.len() == MOST_FAILURES {
            break;
        }
    }
    let done: u64 = verdicts.values().sum::<u64>() + failed.len() as u64;
    let seconds = started.elapsed().as_secs_f64();
    let panics = failed.len();
    println!("fuzz {target}: {done} inputs, {seconds:.1} s, {panics} panics, {verdicts:?}");
    assert!(failed.is_empty(), "{target}: TARS_MQTT_FUZZ=1 TARS_MQTT_FUZZ_FROM= one of {failed:?}");
    // A few inputs are no share of anything.
    for (verdict, percent) in shares.iter().filter(|_| inputs >= usual) {
        let found = verdicts.get(verdict).copied().unwrap_or_default();
        assert!(found * 100 >= done * percent, "{target}: {found} of {done} are {verdict}");
    }
}

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, and not {text:?}")))
}

/// One of several.
pub(crate) fn pick<T: Copy>(rng: &mut Rng, choices: &[T]) -> T {
    choices[rng.usize(..choices.len())]
}

/// Whether something that happens once in so many times happens now.
pub(crate) fn once_in(rng: &mut Rng, times: u32) -> bool {
    rng.u32(..times) == 0
}

/// Changes, takes out, repeats or puts in a few bytes.
pub(crate) fn mutate(rng: &mut Rng, bytes: &mut Vec<u8>, interesting: &[u8]) {
    let at = rng.usize(..=bytes.len());
    let end = (at + rng.usize(..4)).min(bytes.len());
    match rng.u8(..6) {
        0 => drop(bytes.drain(at..end)),
        1 => {
            let part = bytes[at..end].to_vec();
            let to = rng.usize(..=bytes.len());
            bytes.splice(to..to, part);
        }
        2 => bytes.truncate(at),
        3 => bytes.insert(at, rng.u8(..)),
        4 => bytes.insert(at, pick(rng, interesting)),
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte =
                    if rng.bool() { pick(rng, interesting) } else { *byte ^ (1 << rng.u8(..8)) };
            }
        }
    }
}

/// The decoders, each with what must hold of it.
#[cfg(fuzzing)]
pub fn targets() -> [Target; 7] {
    [
        crate::config::fuzz::url::TARGET,
        crate::event::fuzz::TARGET,
        crate::event::fuzz_strict::TARGET,
        crate::net::fuzz::TARGET,
        crate::wire::v4::fuzz::TARGET,
        matching::TARGET,
        patterns::TARGET,
    ]
}
