//! Gives libFuzzer's inputs to one of the decoders of tars-mqtt: see `.ci/fuzz-coverage`.

#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

/// The name of the decoder, or nothing for the names of all.
const NAME: &str = "TARS_MQTT_FUZZ_TARGET";

/// A folder for inputs to begin with; then nothing else is done.
const SEEDS: &str = "TARS_MQTT_FUZZ_SEEDS";

/// What the chosen decoder has to hold. Looked at before libFuzzer minds that the process ends.
static CHECK: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let targets = tars_mqtt::__fuzz_targets();
    let Ok(name) = std::env::var(NAME) else {
        targets.iter().for_each(|target| println!("{}", target.name));
        std::process::exit(0);
    };
    let target = targets.into_iter().find(|target| target.name == name);
    let target =
        target.unwrap_or_else(|| panic!("{NAME} is {name:?}, and no such decoder is there"));
    if let Some(folder) = std::env::var_os(SEEDS) {
        for (number, input) in target.seeds().enumerate() {
            let path = Path::new(&folder).join(format!("seed-{number}"));
            std::fs::write(path, input).expect("the folder can be written to");
        }
        std::process::exit(0);
    }
    target.check
});

fuzz_target!(
    init: {
        LazyLock::force(&CHECK);
    },
    |input: &[u8]| CHECK(input)
);
