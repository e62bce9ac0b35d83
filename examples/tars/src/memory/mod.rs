//! Remembers what is said, and finds it again; and keeps the character.
//!
//! Both are in one file, which only grows: `MEMORY_PATH`, or `data/memory.jsonl` in the working folder.
//! A message counts as handled once what it changes is on disk. The character is the one that comes
//! with the program, or the one in the TOML file that `CHARACTER_PATH` names.

mod character;
mod journal;
mod ranking;
mod recollection;
mod store;

use std::path::PathBuf;

pub use character::{Change, Character};
pub use store::Store;
use tars_mqtt::prelude::*;

use crate::contracts::{
    CharacterGetRequest, CharacterSection, CharacterSnapshot, CharacterUpdate, FinalTranscript,
    MemoryQuery, MemoryResults, Role, TtsSay,
};
use crate::vars::Vars;

/// The memory, with settings from the environment.
///
/// # Errors
///
/// When the file or the character cannot be read.
pub fn service(app: App) -> anyhow::Result<App> {
    let vars = Vars::of_process();
    let character = Character::load(vars.optional("CHARACTER_PATH").map(PathBuf::from))?;
    Ok(with(app, Store::open(vars.text("MEMORY_PATH", "data/memory.jsonl"), character)?))
}

/// The memory, on this store.
pub fn with(app: App, store: Store) -> App {
    let current = store.clone();
    app.handlers_in(module_path!()).state(store).on_ready(|client: Client| async move {
        anyhow::Ok(client.publish(&current.character().await?).await?)
    })
}

// What the disk does not take is tried again for hours: it is nowhere else.
#[subscribe(retry = 1000, backoff = "100ms..30s")]
async fn heard(
    State(store): State<Store>,
    context: Context,
    heard: FinalTranscript,
) -> anyhow::Result<()> {
    store.remember(Role::User, context.id(), heard.text, heard.utt_id).await
}

#[subscribe(retry = 1000, backoff = "100ms..30s")]
async fn spoken(State(store): State<Store>, context: Context, said: TtsSay) -> anyhow::Result<()> {
    store.remember(Role::Assistant, context.id(), said.text, said.utt_id).await
}

#[subscribe(accept_bare)]
async fn recall(State(store): State<Store>, query: MemoryQuery) -> anyhow::Result<MemoryResults> {
    store.recall(query).await
}

#[subscribe(retry = 1000, backoff = "100ms..30s")]
async fn change(
    State(store): State<Store>,
    update: CharacterUpdate,
) -> anyhow::Result<Option<CharacterSnapshot>> {
    match Change::try_from(update) {
        Ok(change) => store.change(change).await.map(Some),
        Err(error) => {
            store.refuse(&error);
            Ok(None)
        }
    }
}

#[subscribe]
async fn describe(
    State(store): State<Store>,
    request: CharacterGetRequest,
) -> anyhow::Result<CharacterSection> {
    store.section(request.section).await
}
