//! What is remembered, in memory and on disk alike: nothing changes here that is not on disk.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::character::{Change, Character};
use super::journal::{Journal, LARGEST};
use super::recollection::{Recollection, Said};
use crate::contracts::{CharacterSection, CharacterSnapshot, MemoryQuery, MemoryResults, Role};
use crate::shown::{LogLimit, quoted};

static FULL: LogLimit = LogLimit::new();
static REFUSED: LogLimit = LogLimit::new();

/// What is remembered. Cheap to clone; all clones share it.
#[derive(Clone, Debug)]
pub struct Store(Arc<Mutex<Memory>>);

#[derive(Debug)]
struct Memory {
    journal: Journal,
    recollection: Recollection,
    character: Character,
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Record {
    Said(Said),
    Character(Change),
}

impl Store {
    /// What the file remembers.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or is in use.
    pub fn open(path: impl AsRef<Path>, character: Character) -> anyhow::Result<Self> {
        let (journal, records) = Journal::open(path.as_ref())?;
        let recollection = Recollection::default();
        let mut memory = Memory { journal, recollection, character };
        for record in records {
            memory.take(record);
        }
        Ok(Self(Arc::new(Mutex::new(memory))))
    }

    /// Remembers what somebody has said in a conversation, once.
    ///
    /// # Errors
    ///
    /// When the disk does not take it.
    pub async fn remember(
        &self,
        role: Role,
        id: &str,
        text: String,
        utt_id: Option<String>,
    ) -> anyhow::Result<()> {
        let said =
            Said { id: id.to_owned(), role, text, utt_id, timestamp: jiff::Timestamp::now() };
        let said = said.shortened();
        self.with(move |memory| {
            if memory.recollection.has(&said) {
                return Ok(());
            }
            if memory.journal.is_full() {
                if FULL.allows() {
                    tracing::error!(
                        "nothing more is remembered: the file has {LARGEST} bytes; move it away"
                    );
                }
                return Ok(());
            }
            memory.add(Record::Said(said))
        })
        .await?
    }

    /// What fits a question.
    ///
    /// # Errors
    ///
    /// None but that of a bug.
    pub async fn recall(&self, query: MemoryQuery) -> anyhow::Result<MemoryResults> {
        self.with(move |memory| memory.recollection.search(&query)).await
    }

    /// Changes the character, and gives it as it is then.
    ///
    /// # Errors
    ///
    /// When the disk does not take it.
    pub async fn change(&self, change: Change) -> anyhow::Result<CharacterSnapshot> {
        self.with(|memory| {
            // What changes nothing needs no room on disk.
            if memory.journal.is_full() || !memory.character.differs(&change) {
                return Ok(memory.character.snapshot());
            }
            memory.add(Record::Character(change))?;
            Ok(memory.character.snapshot())
        })
        .await?
    }

    /// Says in the log why the character is not changed.
    pub fn refuse(&self, error: &anyhow::Error) {
        if REFUSED.allows() {
            tracing::error!("the character stays as it is: {}", quoted(&error.to_string()));
        }
    }

    /// The character.
    ///
    /// # Errors
    ///
    /// None but that of a bug.
    pub async fn character(&self) -> anyhow::Result<CharacterSnapshot> {
        self.with(|memory| memory.character.snapshot()).await
    }

    /// A section of the character; without a name, all of it.
    ///
    /// # Errors
    ///
    /// None but that of a bug.
    pub async fn section(&self, name: Option<String>) -> anyhow::Result<CharacterSection> {
        self.with(|memory| memory.character.section(name)).await
    }

    /// Works on the memory in a thread that may wait for the disk.
    async fn with<T, F>(&self, work: F) -> anyhow::Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Memory) -> T + Send + 'static,
    {
        let memory = self.0.clone();
        let work = move || work(&mut memory.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(tokio::task::spawn_blocking(work).await?)
    }
}

impl Memory {
    fn add(&mut self, record: Record) -> anyhow::Result<()> {
        self.journal.add(&record)?;
        self.take(record);
        Ok(())
    }

    fn take(&mut self, record: Record) {
        match record {
            Record::Said(said) => self.recollection.add(said),
            Record::Character(change) => self.character.apply(&change),
        }
    }
}
