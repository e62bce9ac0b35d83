//! A service that shows the conversation, and takes what is typed.

use std::io::{IsTerminal as _, Write as _};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::StreamExt as _;
use tars_mqtt::prelude::*;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

use super::conversation::Conversation;
use crate::contracts::{
    FinalTranscript, LlmCancel, LlmRequest, LlmResponse, MovementStatusEvent, MovementStatusUpdate,
    TestMovementRequest, TtsEvent, TtsSay, TtsStatus, WakeEvent,
};
use crate::shown::shown;
use crate::stt::standard_input;

/// How long the robot takes to react at most, beside [`STEPS`].
const REACTION: Duration = Duration::from_secs(2);
/// What follows from what the robot did comes within this time, beside [`STEPS`].
const PAUSE: Duration = Duration::from_millis(300);
/// A reaction takes as long as so many lines take until they are heard: a busy machine takes longer
/// for everything.
const STEPS: u32 = 20;
/// After this time in which nothing happens, nothing will.
const STANDSTILL: Duration = Duration::from_secs(60);

const HINT: &str =
    "(TARS listens only after \"hey tars\", and for some seconds after it has spoken.)";

/// What is seen and what is typed, which all handlers share.
#[derive(Clone, Debug)]
pub(super) struct Terminal {
    conversation: Arc<watch::Sender<Conversation>>,
    lines: mpsc::UnboundedSender<String>,
    is_interactive: bool,
}

impl Terminal {
    /// What is typed goes there.
    pub(super) fn new(lines: mpsc::UnboundedSender<String>) -> Self {
        let conversation = Arc::new(watch::Sender::new(Conversation::default()));
        Self { conversation, lines, is_interactive: std::io::stdin().is_terminal() }
    }

    /// Waits until the robot has said that it is there.
    pub(super) async fn announced(&self) {
        if self.wait(STANDSTILL, Conversation::has_reacted).await {
            self.finished(Duration::ZERO).await;
        } else {
            tracing::warn!("the robot does not say that it is there");
        }
    }

    /// Says what is typed. What is piped is said line by line, each when the robot has finished.
    pub(super) async fn talk(&self) -> anyhow::Result<()> {
        if self.is_interactive {
            println!("Say \"hey tars\", and then what you want. End with Ctrl-D.");
        }
        let mut input = pin!(standard_input());
        let mut slowness = Duration::ZERO;
        self.prompt();
        while let Some(line) = input.next().await {
            if line.trim().is_empty() {
                self.prompt();
                continue;
            }
            if !self.is_interactive {
                println!("> {}", shown(&line));
            }
            self.note(Conversation::begin);
            self.lines.send(line).context("nobody hears what is said any more")?;
            let said = Instant::now();
            if !self.is_interactive {
                self.wait(STANDSTILL, Conversation::was_heard).await;
                slowness = said.elapsed() * STEPS;
            }
            if !self.wait(REACTION + slowness, Conversation::has_reacted).await {
                self.show(HINT);
            } else if !self.is_interactive {
                self.finished(slowness).await;
            }
        }
        self.finished(slowness).await;
        Ok(())
    }

    /// Waits until the robot has finished, and a bit longer, for one thing follows from another.
    async fn finished(&self, slowness: Duration) {
        let mut conversation = self.conversation.subscribe();
        loop {
            let is_over = conversation.borrow_and_update().is_over();
            let limit = if is_over { PAUSE + slowness } else { STANDSTILL };
            match timeout(limit, conversation.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) if is_over => return,
                Err(_) => return self.show("(TARS does not finish. Is a service missing?)"),
            }
        }
    }

    /// Whether it becomes so in time.
    async fn wait(&self, limit: Duration, is_so: impl FnMut(&Conversation) -> bool) -> bool {
        timeout(limit, self.conversation.subscribe().wait_for(is_so)).await.is_ok()
    }

    fn note(&self, change: impl FnOnce(&mut Conversation)) {
        self.conversation.send_modify(change);
    }

    /// Writes a line, in place of the prompt. What others say must not move the cursor, name the
    /// window or fill the clipboard.
    fn show(&self, line: &str) {
        let line = shown(line);
        if self.is_interactive {
            print!("\r");
        }
        println!("{line}");
        self.prompt();
    }

    fn prompt(&self) {
        if self.is_interactive {
            print!("> ");
            // What cannot be shown is no reason to end.
            let _ = std::io::stdout().flush();
        }
    }
}

pub(super) fn service(app: App, terminal: Terminal) -> App {
    app.handlers_in(module_path!()).state(terminal)
}

#[subscribe]
async fn heard(State(terminal): State<Terminal>, _transcript: FinalTranscript) {
    terminal.note(Conversation::heard);
}

#[subscribe]
async fn called(State(terminal): State<Terminal>, _event: WakeEvent) {
    terminal.note(Conversation::called);
}

#[subscribe]
async fn asked(State(terminal): State<Terminal>, request: LlmRequest) {
    terminal.note(|conversation| conversation.asked(request));
}

#[subscribe]
async fn answered(State(terminal): State<Terminal>, response: LlmResponse) {
    terminal.note(|conversation| conversation.answered(response));
}

#[subscribe]
async fn cancelled(State(terminal): State<Terminal>, cancel: LlmCancel) {
    terminal.note(|conversation| conversation.cancelled(cancel));
}

#[subscribe]
async fn says(State(terminal): State<Terminal>, say: TtsSay) {
    terminal.note(|conversation| conversation.says(say));
}

#[subscribe]
async fn spoken(State(terminal): State<Terminal>, status: TtsStatus) {
    match status.event {
        TtsEvent::SpeakingStart => terminal.show(&format!("TARS: {}", status.text)),
        TtsEvent::Paused => terminal.show("(TARS pauses.)"),
        _ => {}
    }
    terminal.note(|conversation| conversation.spoken(status));
}

#[subscribe]
async fn moves(State(terminal): State<Terminal>, request: TestMovementRequest) {
    terminal.note(|conversation| conversation.moves(request));
}

#[subscribe]
async fn moved(State(terminal): State<Terminal>, status: MovementStatusUpdate) {
    let command = status.command.as_deref().unwrap_or("nothing");
    let detail = status.detail.as_deref().unwrap_or("no reason given");
    match status.event {
        MovementStatusEvent::CommandStarted => terminal.show(&format!("(TARS moves: {command})")),
        MovementStatusEvent::CommandFailed => {
            terminal.show(&format!("(TARS cannot move: {command}: {detail})"));
        }
        MovementStatusEvent::EmergencyStop => terminal.show("(TARS has stopped all movement.)"),
        _ => {}
    }
    terminal.note(|conversation| conversation.moved(status));
}
