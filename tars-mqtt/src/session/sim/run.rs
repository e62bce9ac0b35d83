//! Many schedules, and the shortest one that shows what is wrong.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use fastrand::Rng;
use tokio::time::Instant;

use super::step::{Setup, Step, schedule};
use super::world::World;

/// How many schedules, and where they begin: `TARS_MQTT_SIMULATE=<schedules>,<seed>`; or a single one, by
/// the number that a report has named: `TARS_MQTT_SIMULATE=one,<number>`.
const VARIABLE: &str = "TARS_MQTT_SIMULATE";

/// What a build for debugging looks at in the time that it has.
const FEW: u64 = 3_000;

/// Of so many schedules one has the states counted that it goes through.
const COUNTED: u64 = 8;

/// Packets shown of a schedule that breaks something: the last ones.
const SHOWN: usize = 40;

/// Something that does not hold.
#[derive(Debug)]
struct Broken {
    setup: Setup,
    steps: Vec<Step>,
    sentence: String,
}

/// Runs a schedule to its end.
pub(super) fn play(seed: u64, setup: Setup, steps: &[Step]) -> Result<(), String> {
    play_in(&mut World::new(setup, Instant::now()), seed, steps)
}

fn play_in(world: &mut World, seed: u64, steps: &[Step]) -> Result<(), String> {
    fastrand::seed(seed);
    let played = catch_unwind(AssertUnwindSafe(|| {
        world.go_on()?;
        for &step in steps {
            world.step(step)?;
        }
        world.settle()
    }));
    played.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default();
        Err(format!("a panic: {text}"))
    })
}

/// Runs the schedule of a seed, and shortens it if it breaks something.
fn simulate(seed: u64, states: Option<&mut HashSet<u64>>) -> Result<(), Broken> {
    let mut rng = Rng::with_seed(seed);
    let setup = Setup::random(&mut rng);
    let steps = schedule(&mut rng);
    let mut world = World::new(setup, Instant::now());
    world.states = states.is_some().then(HashSet::new);
    let played = play_in(&mut world, seed, &steps);
    if let Some(states) = states {
        states.extend(world.states.unwrap_or_default());
    }
    match played {
        Ok(()) => Ok(()),
        Err(sentence) => Err(shorten(seed, Broken { setup, steps, sentence })),
    }
}

/// What a sentence is about, whatever numbers it names.
fn kind(sentence: &str) -> String {
    sentence.chars().filter(|character| character.is_alphabetic()).take(24).collect()
}

/// Takes out of a schedule what is not needed to break the same.
fn shorten(seed: u64, mut broken: Broken) -> Broken {
    let kind_before = kind(&broken.sentence);
    let mut length = broken.steps.len() / 2;
    while length > 0 {
        let mut begin = 0;
        while begin < broken.steps.len() {
            let end = (begin + length).min(broken.steps.len());
            let mut steps = broken.steps.clone();
            steps.drain(begin..end);
            match play(seed, broken.setup, &steps) {
                Err(sentence) if kind(&sentence) == kind_before => {
                    (broken.steps, broken.sentence) = (steps, sentence);
                }
                _ => begin = end,
            }
        }
        length /= 2;
    }
    broken
}

/// Shows a schedule that breaks something.
fn describe(seed: u64, broken: &Broken) -> String {
    let Broken { setup, steps, sentence } = broken;
    let mut text = format!("seed {seed}: {sentence}\n  {setup:?}\n");
    for step in steps {
        // Writing into a text never fails.
        let _ = writeln!(text, "  {step:?}");
    }
    let mut world = World::new(*setup, Instant::now());
    world.trace = Some(Vec::new());
    let _ = play_in(&mut world, seed, steps);
    let trace = world.trace.unwrap_or_default();
    for line in &trace[trace.len().saturating_sub(SHOWN)..] {
        let _ = writeln!(text, "    {line}");
    }
    text
}

/// Runs schedules on all cores. Returns the first that breaks something.
fn simulate_all(schedules: u64, seed: u64) -> Result<(), String> {
    let begin = std::time::Instant::now();
    let next = AtomicU64::new(0);
    let stopped = AtomicBool::new(false);
    let found = Mutex::new(None);
    let states = Mutex::new(HashSet::new());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::panic::set_hook(Box::new(|_| {}));
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                let mut visited = HashSet::new();
                while !stopped.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= schedules {
                        break;
                    }
                    // Neighbouring seeds have nothing in common.
                    let own = seed.wrapping_mul(1 << 32).wrapping_add(index);
                    let counts = index.is_multiple_of(COUNTED).then_some(&mut visited);
                    if let Err(broken) = simulate(own, counts) {
                        stopped.store(true, Ordering::Relaxed);
                        let mut found = found.lock().unwrap();
                        found.get_or_insert_with(|| describe(own, &broken));
                    }
                }
                states.lock().unwrap().extend(visited);
            });
        }
    });
    let _ = std::panic::take_hook();
    if let Some(found) = found.into_inner().unwrap() {
        return Err(format!(
            "{found}after {} schedules, seed {seed}",
            next.load(Ordering::Relaxed).min(schedules)
        ));
    }
    let seconds = begin.elapsed().as_secs_f64().max(0.001);
    #[expect(clippy::cast_precision_loss, reason = "it is a rate")]
    let rate = schedules as f64 / seconds;
    println!("{} states of the session seen", states.into_inner().unwrap().len());
    println!("{schedules} schedules, seed {seed}: nothing broken, {rate:.0}/s");
    Ok(())
}

#[test]
fn no_schedule_breaks_a_promise() {
    let wanted = std::env::var(VARIABLE).unwrap_or_default();
    if let Some(seed) = wanted.strip_prefix("one,") {
        let seed = seed.parse().unwrap_or_else(|_| panic!("{VARIABLE}={wanted} is no number"));
        match simulate(seed, None) {
            Ok(()) => println!("seed {seed}: nothing broken"),
            Err(broken) => panic!("{}", describe(seed, &broken)),
        }
        return;
    }
    let (schedules, seed) = wanted.split_once(',').unwrap_or((&wanted, "1"));
    let number = |text: &str, otherwise: u64| match text {
        "" => otherwise,
        text => text.parse().unwrap_or_else(|_| panic!("{VARIABLE}={wanted} is no number")),
    };
    if let Err(broken) = simulate_all(number(schedules, FEW), number(seed, 1)) {
        println!("{broken}");
        panic!("a schedule breaks a promise");
    }
}
