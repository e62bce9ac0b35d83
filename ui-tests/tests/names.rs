//! Programs that know the framework by another name than its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const PROGRAM: &str = r#"
use mqtt::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event(topic = "rooms/{room}", qos = 0, retain CRATE)]
struct Ask {
    room: String,
}

#[derive(Serialize, Deserialize, Event)]
#[event("answer", bare CRATE)]
struct Answer {
    #[serde(skip_deserializing)]
    number: u8,
}

#[subscribe("rooms/{room}", retry = 1, backoff = "1s..2s", ack = "on_receive", timeout = "3s",
            overflow = "drop_new", other_types = "ignore" CRATE)]
async fn one(room: String, ask: Envelope<Ask>, State(number): State<u8>) -> Option<Answer> {
    let _ = (room, ask);
    Some(Answer { number })
}

#[subscribe("rooms/+" CRATE)]
async fn other(ask: Ask) -> Result<(), String> {
    Err(ask.room)
}

#[mqtt::main(heartbeat = "5s", dedupe_key = "tars" CRATE)]
async fn main(app: App) -> mqtt::Result<()> {
    app.state(1_u8).run().await
}
"#;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// A package in a folder of its own, with a program or a library.
fn package(at: &Path, dependencies: &str, file: &str, code: &str) {
    fs::create_dir_all(at.join("src")).expect("a folder");
    let name = at.file_name().expect("a name").to_string_lossy();
    let manifest = format!(
        "[package]\nname = \"{name}\"\nedition = \"2024\"\n\n[dependencies]\n{dependencies}\n"
    );
    fs::write(at.join("Cargo.toml"), manifest).expect("a manifest");
    fs::write(at.join("src").join(file), code).expect("its code");
}

#[test]
fn macros_find_the_framework_by_whatever_name_it_has() {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = temporary.join("names");
    // What an earlier run has left.
    let _ = fs::remove_dir_all(&folder);
    let path = root().join("tars-mqtt");
    let path = path.display();
    let workspace = format!(
        "[workspace]\nmembers = [\"*\"]\nresolver = \"3\"\n\n[workspace.dependencies]\n\
         mqtt = {{ package = \"tars-mqtt\", path = \"{path}\" }}\n\
         serde = {{ version = \"1\", features = [\"derive\"] }}\n"
    );
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("Cargo.toml"), workspace).expect("a manifest");
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).expect("the versions");
    let serde = "serde.workspace = true";
    let plain = PROGRAM.replace(" CRATE", "");
    package(
        &folder.join("renamed"),
        &format!("{serde}\nmqtt = {{ package = \"tars-mqtt\", path = \"{path}\" }}"),
        "main.rs",
        &plain,
    );
    let renamed = format!("{serde}\nmqtt.workspace = true");
    package(&folder.join("renamed-by-workspace"), &renamed, "main.rs", &plain);
    package(
        &folder.join("facade"),
        &format!("tars-mqtt = {{ path = \"{path}\" }}"),
        "lib.rs",
        "pub use tars_mqtt as inner;",
    );
    let behind = PROGRAM.replace(" CRATE", ", crate = facade::inner");
    package(
        &folder.join("behind-facade"),
        &format!("{serde}\nfacade = {{ path = \"../facade\" }}"),
        "main.rs",
        &behind.replace("mqtt::", "facade::inner::"),
    );
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let checked = Command::new(cargo)
        .args(["check", "--workspace", "--offline", "--quiet"])
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", temporary.parent().expect("the target folder"))
        .output()
        .expect("cargo runs");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
