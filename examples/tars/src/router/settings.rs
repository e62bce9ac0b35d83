use std::time::Duration;

use crate::vars::Vars;

/// What can be set about the router. Each field is the variable `ROUTER_` and its name in capitals,
/// except those that say another one.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Settings {
    /// `ONLINE_ANNOUNCE`: whether it is said that speech works.
    pub online_announce: bool,
    /// `ONLINE_ANNOUNCE_TEXT`: how.
    pub online_text: String,
    /// The voice for all that is said.
    pub tts_voice: String,
    /// `ROUTER_LLM_TTS_STREAM`: whether answers are spoken while they come.
    pub llm_tts_stream: bool,
    /// How streamed answers are cut.
    pub cut: Cut,
    /// What wakes the robot, `|` between several.
    pub wake_phrases: Vec<String>,
    /// `ROUTER_WAKE_WINDOW_SEC`: how long it listens then.
    pub wake_window: Duration,
    /// Whether it says that it has heard.
    pub wake_ack_enabled: bool,
    /// How, in turn.
    pub wake_ack_choices: Vec<String>,
    /// In which style.
    pub wake_ack_style: String,
    /// What is said when it is interrupted; nothing if empty.
    pub wake_interrupt_text: String,
    /// What is said when it goes on; nothing if empty.
    pub wake_resume_text: String,
    /// What is said when it gives up what it was saying; nothing if empty.
    pub wake_cancel_text: String,
    /// What is said when nothing came; nothing if empty.
    pub wake_timeout_text: String,
    /// Whether it listens always, from the start.
    pub live_mode_default: bool,
    /// What makes it listen always.
    pub live_mode_enter_phrase: String,
    /// What ends that.
    pub live_mode_exit_phrase: String,
    /// What it says then.
    pub live_mode_enter_ack: String,
    /// What it says then.
    pub live_mode_exit_ack: String,
    /// What it says when it listens always already.
    pub live_mode_active_hint: String,
    /// What it says when it does not listen always.
    pub live_mode_inactive_hint: String,
}

/// How streamed answers are cut into what is spoken at once: `ROUTER_STREAM_` and the name.
#[derive(Clone, Debug)]
pub struct Cut {
    /// Where sentences end.
    pub boundary_chars: String,
    /// Whether they are cut there alone, however short or long they are.
    pub boundary_only: bool,
    /// How long they are at least, otherwise.
    pub min_chars: usize,
    /// How long they are at most, otherwise.
    pub max_chars: usize,
    /// How long they are at most in any case.
    pub hard_max_chars: usize,
}

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// When a variable cannot be read.
    pub fn from_vars(vars: &Vars<impl Fn(&str) -> Option<String>>) -> anyhow::Result<Self> {
        Ok(Self {
            online_announce: vars.flag("ONLINE_ANNOUNCE", true)?,
            online_text: vars.text("ONLINE_ANNOUNCE_TEXT", "System online."),
            tts_voice: vars.text("ROUTER_TTS_VOICE", "piper/en_US/amy"),
            llm_tts_stream: vars.flag("ROUTER_LLM_TTS_STREAM", true)?,
            cut: Cut {
                boundary_chars: vars.text("ROUTER_STREAM_BOUNDARY_CHARS", ".!?;:"),
                boundary_only: vars.flag("ROUTER_STREAM_BOUNDARY_ONLY", true)?,
                min_chars: vars.number("ROUTER_STREAM_MIN_CHARS", 60, 1..=100_000)?,
                max_chars: vars.number("ROUTER_STREAM_MAX_CHARS", 240, 1..=100_000)?,
                hard_max_chars: vars.number("ROUTER_STREAM_HARD_MAX_CHARS", 2000, 1..=100_000)?,
            },
            wake_phrases: vars.texts("ROUTER_WAKE_PHRASES", "hey tars"),
            wake_window: vars.seconds("ROUTER_WAKE_WINDOW_SEC", 8.0)?,
            wake_ack_enabled: vars.flag("ROUTER_WAKE_ACK_ENABLED", true)?,
            wake_ack_choices: vars.texts("ROUTER_WAKE_ACK_CHOICES", "Hmm?|Huh?|Yes?"),
            wake_ack_style: vars.text("ROUTER_WAKE_ACK_STYLE", "friendly"),
            wake_interrupt_text: vars.text("ROUTER_WAKE_INTERRUPT_TEXT", ""),
            wake_resume_text: vars.text("ROUTER_WAKE_RESUME_TEXT", ""),
            wake_cancel_text: vars.text("ROUTER_WAKE_CANCEL_TEXT", ""),
            wake_timeout_text: vars.text("ROUTER_WAKE_TIMEOUT_TEXT", ""),
            live_mode_default: vars.flag("ROUTER_LIVE_MODE_DEFAULT", false)?,
            live_mode_enter_phrase: vars.text("ROUTER_LIVE_MODE_ENTER_PHRASE", "enter live mode"),
            live_mode_exit_phrase: vars.text("ROUTER_LIVE_MODE_EXIT_PHRASE", "exit live mode"),
            live_mode_enter_ack: vars.text("ROUTER_LIVE_MODE_ENTER_ACK", "Live mode enabled."),
            live_mode_exit_ack: vars.text("ROUTER_LIVE_MODE_EXIT_ACK", "Live mode disabled."),
            live_mode_active_hint: vars
                .text("ROUTER_LIVE_MODE_ACTIVE_HINT", "Live mode is already active."),
            live_mode_inactive_hint: vars
                .text("ROUTER_LIVE_MODE_INACTIVE_HINT", "Live mode is already off."),
        })
    }
}
