//! Drives a session: makes connections, reads, writes, and keeps its one timer.
//!
//! It decides nothing about delivery, and waits for no handler, full queue or publisher.

mod handshake;
mod link;
#[cfg(test)]
mod tests;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use crate::config::Config;
use crate::delivery::Wake;
use crate::net::ConnectError;
use crate::net::dial::Dialer;
use crate::session::{Command, ConnectFailure, Ports, Session, Wants};
use crate::wire::TrafficTap;
use handshake::open;
use link::Link;

/// Fewer bytes than this at once are a packet or a few, not a stream of them.
const LITTLE: usize = 4096;

/// A session, with what is needed to connect it.
pub(crate) struct Driver {
    pub(crate) session: Session,
    config: Arc<Config>,
    dialer: Arc<dyn Dialer>,
    tap: TrafficTap,
    wake: Arc<Wake>,
    commands: mpsc::UnboundedReceiver<Box<Command>>,
    aborted: Arc<AtomicBool>,
    /// All clients have been dropped.
    orphaned: bool,
    ended: bool,
}

impl Driver {
    /// A session that is connected once this is spawned. `aborted` is set when it ends without having
    /// said goodbye, because its runtime is gone.
    pub(crate) fn new(
        config: Arc<Config>,
        ports: Ports,
        dialer: Arc<dyn Dialer>,
        tap: TrafficTap,
        commands: mpsc::UnboundedReceiver<Box<Command>>,
        aborted: Arc<AtomicBool>,
    ) -> Self {
        Self {
            wake: ports.wake.clone(),
            session: Session::new(config.clone(), ports, Instant::now()),
            config,
            dialer,
            tap,
            commands,
            aborted,
            orphaned: false,
            ended: false,
        }
    }

    /// Starts to connect.
    pub(crate) fn spawn(self) {
        crate::task::spawn(Box::pin(Box::new(self).run()));
    }

    async fn run(mut self: Box<Self>) {
        loop {
            self.session.timeout(Instant::now());
            match self.session.wants() {
                Wants::Dial => self.dial().await,
                Wants::Stop => break,
                // Without a connection there is nothing to close.
                Wants::Pause | Wants::Serve | Wants::Close | Wants::SayGoodbye => {
                    self.wait().await;
                }
            }
        }
        self.end(true);
    }

    fn end(&mut self, in_order: bool) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.aborted.store(!in_order, Ordering::Release);
        self.commands.close();
        let mut late = Vec::new();
        while let Ok(command) = self.commands.try_recv() {
            if let Command::Shutdown { done, .. } = *command {
                late.push(done);
            }
        }
        self.session.end(in_order, late);
    }

    /// Makes a connection, and serves it to its end.
    async fn dial(&mut self) {
        let (dialer, config, tap) = (self.dialer.clone(), self.config.clone(), self.tap.clone());
        let will = self.session.last_will();
        let mut opening = pin!(async move { open(&*dialer, &config, will, tap).await });
        let opened = loop {
            tokio::select! {
                opened = &mut opening => break opened,
                () = self.wait() => {}
            }
            self.session.timeout(Instant::now());
            if self.session.wants() != Wants::Dial {
                return;
            }
        };
        let error = match opened {
            Ok(opened) => {
                self.session.connected(Instant::now(), opened.session_present);
                let reason = self.serve(opened.link).await;
                self.session.disconnected(Instant::now(), reason);
                return;
            }
            Err(error) => error,
        };
        let broker = self.config.url();
        let failure = match error {
            ConnectError::Refused(refusal) => {
                tracing::error!(%broker, "{refusal}");
                ConnectFailure::Refused(refusal)
            }
            ConnectError::Failed(reason) => {
                tracing::warn!(%broker, "cannot connect: {reason}");
                ConnectFailure::Unreachable
            }
            ConnectError::Unanswered(reason) => {
                tracing::warn!(%broker, "cannot connect: {reason}");
                ConnectFailure::Unanswered
            }
        };
        self.session.connect_failed(Instant::now(), failure);
    }

    /// Waits without a connection, until something has happened or is due. May be dropped at any
    /// time.
    async fn wait(&mut self) {
        let next = self.session.next_timeout();
        let due = async {
            match next {
                Some(next) => sleep_until(next).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            command = self.commands.recv(), if !self.orphaned => self.obey(command),
            () = due => {}
            // There may be something new that expires.
            () = self.wake.woken() => {}
        }
    }

    fn obey(&mut self, command: Option<Box<Command>>) {
        let now = Instant::now();
        if let Some(command) = command {
            self.session.command(now, *command);
        } else {
            self.orphaned = true;
            self.session.orphaned(now);
        }
    }

    /// Serves a connection until the session wants it no more, or it breaks. Returns how it broke.
    async fn serve(&mut self, mut link: Link) -> String {
        let mut timer = pin!(sleep_until(Instant::now()));
        // The last packets came one by one: the broker may wait until it knows that they have come.
        let mut read_little = false;
        loop {
            let now = Instant::now();
            self.session.wrote(now, link.has_unsent(), link.written());
            self.session.timeout(now);
            let all_taken_in = self.take_in(&mut link, now);
            self.session.transmit(now, &mut link);
            match self.session.wants() {
                Wants::Serve => {}
                Wants::SayGoodbye => {
                    // The broker may have gone; then there is nobody to say goodbye to.
                    let limit = self.session.goodbye_limit(now);
                    let _ = timeout(limit, link.close()).await;
                    return String::new();
                }
                _ => return String::new(),
            }
            if std::mem::take(&mut read_little)
                && !self.session.has_unacknowledged()
                && !link.has_unsent()
            {
                link.acknowledge_at_once();
            }
            if !all_taken_in {
                if self.session.reads(now) {
                    continue;
                }
                // Nothing can be heard of the broker while nothing is read.
                self.session.heard(now);
            }
            let next = self.session.next_timeout().unwrap_or(now);
            // A timer that rings too early costs less than one that is set with every message.
            if timer.deadline() > next || timer.deadline() <= now {
                timer.as_mut().reset(next.max(now));
            }
            let had_unsent = link.has_unsent();
            tokio::select! {
                driven = link.drive(all_taken_in) => match driven {
                    Ok(0) => {}
                    Ok(read) => {
                        self.session.heard(Instant::now());
                        read_little = read < LITTLE;
                    }
                    Err(error) => return error.to_string(),
                },
                () = self.wake.woken() => {}
                command = self.commands.recv(), if !self.orphaned => self.obey(command),
                () = timer.as_mut() => {}
            }
            if had_unsent && !link.has_unsent() {
                self.session.flushed();
            }
        }
    }

    /// Takes in what has arrived, as long as the session reads. Returns whether that is all.
    fn take_in(&mut self, link: &mut Link, now: Instant) -> bool {
        while self.session.reads(now) {
            match link.next() {
                Ok(Some(packet)) => self.session.receive(now, packet),
                Ok(None) => return true,
                Err(reason) => self.session.violated(&reason),
            }
        }
        false
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.end(false);
    }
}
