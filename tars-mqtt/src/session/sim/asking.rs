//! Handlers that ask another one of their service, and wait for it.

use std::sync::Arc;

use tokio::time::Instant;

use super::process::Process;
use crate::message::Message;
use crate::qos::QoS;
use crate::session::Command;

impl Process {
    pub(super) fn ask(&mut self, index: usize, fresh: u32, deadline: Option<Instant>) {
        let waits = Arc::new(());
        let message = Message {
            topic: "b".into(),
            payload: fresh.to_be_bytes().to_vec().into(),
            qos: QoS::AtLeastOnce,
            retain: false,
            dup: false,
        };
        let wanted = Arc::downgrade(&waits);
        self.commands.push_back(Command::OwnRequest { message, wanted });
        self.running[index].asks = Some((fresh, waits));
        self.put("b", fresh, QoS::AtLeastOnce, deadline, None);
    }

    pub(super) fn drop_ask(&mut self, index: usize) {
        if !self.running.is_empty() {
            let index = index % self.running.len();
            self.running[index].asks = None;
        }
    }

    /// Whether a question may be dropped by whom it goes to.
    pub(super) fn asks_at_qos_0(&self) -> bool {
        let mut asked = self.handlers.iter().filter(|handler| handler.filter == "b");
        !asked.any(|handler| handler.qos > QoS::AtMostOnce)
    }

    pub(super) fn drop_asks(&mut self) {
        for running in &mut self.running {
            running.asks = None;
        }
    }
}
