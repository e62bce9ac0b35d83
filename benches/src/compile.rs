//! How long the quickstart takes to compile, and how large it is, beside the same by hand.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use benches::measure::{Figures, median_of};

pub(crate) const SIZE: &str = "release, stripped, MiB";
pub(crate) const SIZE_WITHOUT_FILE: &str = "release without the configuration file, MiB";

/// A program to compile, and what it depends on, with and without a configuration file.
struct Program {
    source: &'static str,
    dependencies: String,
    config_file: &'static str,
}

/// Compiles both, three times in turn. The medians, first of the quickstart, then of the one by hand.
pub(crate) fn run() -> anyhow::Result<[Figures; 2]> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no workspace")?;
    let common = r#"
        anyhow = "1"
        serde = { version = "1", features = ["derive"] }
    "#;
    let quickstart = Program {
        source: "examples/src/bin/quickstart.rs",
        dependencies: format!(
            "{common}tars-mqtt = {{ path = \"{}\", default-features = false }}",
            root.join("tars-mqtt").display()
        ),
        config_file: "tars-mqtt/config-file",
    };
    let by_hand = Program {
        source: "benches/src/bin/handwritten.rs",
        dependencies: format!(
            r#"{common}
            fastrand = "2"
            rumqttc = {{ version = "0.25.1", default-features = false }}
            serde_json = "1"
            toml = {{ version = "1", default-features = false, features = ["parse", "serde", "std"], optional = true }}
            tokio = {{ version = "1", features = ["macros", "rt-multi-thread", "signal", "sync", "time"] }}
            tracing = "0.1"
            tracing-subscriber = {{ version = "0.3", default-features = false, features = ["ansi", "fmt"] }}
            "#
        ),
        config_file: "dep:toml",
    };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        ours.push(quickstart.measure(root)?);
        theirs.push(by_hand.measure(root)?);
    }
    Ok([medians(&ours), medians(&theirs)])
}

fn medians(rounds: &[Figures]) -> Figures {
    let names = rounds.iter().take(1).flat_map(Figures::keys);
    names
        .map(|name| {
            let values: Vec<f64> = rounds.iter().map(|figures| figures[name]).collect();
            (name.clone(), median_of(&values))
        })
        .collect()
}

impl Program {
    fn measure(&self, root: &Path) -> anyhow::Result<Figures> {
        let folder = tempfile::TempDir::new()?;
        let folder = folder.path();
        let manifest = format!(
            "[package]\nname = \"subject\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n\
             [profile.release]\nstrip = true\n\
             [features]\ndefault = [\"config-file\"]\nconfig-file = [\"{}\"]\n\
             [dependencies]\n{}\n",
            self.config_file, self.dependencies
        );
        fs::create_dir(folder.join("src"))?;
        fs::write(folder.join("Cargo.toml"), manifest)?;
        // The same versions for both.
        fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
        let source = fs::read_to_string(root.join(self.source))?;
        let main = folder.join("src/main.rs");
        fs::write(&main, &source)?;
        cargo(folder, &["fetch"])?;
        let clean = cargo(folder, &["build"])?;
        fs::write(&main, format!("{source}\n// Changed.\n"))?;
        let again = cargo(folder, &["build"])?;
        let size = release(folder, &[])?;
        let without_file = release(folder, &["--no-default-features"])?;
        Ok(Figures::from([
            ("clean build, s".to_owned(), clean),
            ("build after a change, s".to_owned(), again),
            (SIZE.to_owned(), size),
            (SIZE_WITHOUT_FILE.to_owned(), without_file),
        ]))
    }
}

/// Returns how large it is, in MiB.
fn release(folder: &Path, arguments: &[&str]) -> anyhow::Result<f64> {
    cargo(folder, &[&["build", "--release"], arguments].concat())?;
    let size = fs::metadata(folder.join("target/release/subject"))?.len();
    Ok(size as f64 / f64::from(1 << 20))
}

/// Returns how long it took, in seconds.
fn cargo(folder: &Path, arguments: &[&str]) -> anyhow::Result<f64> {
    let begin = Instant::now();
    let mut cargo = Command::new("cargo");
    cargo.args(arguments).current_dir(folder).env_remove("CARGO_TARGET_DIR");
    let ran = cargo.output()?;
    ensure!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    Ok(begin.elapsed().as_secs_f64())
}
