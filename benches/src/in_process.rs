//! Load and subject in one thread, and a clock that stands still, so that what is counted is the same
//! in each run. A program that is counted is so slow that what it does when time has passed would
//! depend on the machine.

use anyhow::{Context as _, bail};
use bytes::BytesMut;
use rumqttc::mqttbytes::Error;
use rumqttc::{ConnAck, ConnectReturnCode, Packet, PubAck, SubAck, SubscribeReasonCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::load::Template;
use crate::measure::Figures;
use crate::message::{Reading, Request};
use crate::scenario::Scenario;
use crate::subject::{Subject, Work};

/// Messages written at once, and requests under way.
const BATCH: u64 = 64;

/// Has a subject handle messages, and returns when it has handled them all.
pub fn run(subject: Subject, scenario: Scenario, messages: u64) -> anyhow::Result<Figures> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::time::pause();
        // As long as this waits, tokio does not set the clock forward by itself.
        let (measuring, measured) = std::sync::mpsc::channel::<()>();
        let waiting = tokio::task::spawn_blocking(move || measured.recv());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let work = Work { scenario, messages, port, says_ready: false };
        let load = async {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            Server { stream, input: BytesMut::new() }.send(scenario, messages).await
        };
        let (figures, sent) = tokio::join!(work.done_by(subject), load);
        drop(measuring);
        // It ends with an error, for nothing was sent.
        let _ = waiting.await?;
        sent?;
        figures
    })
}

struct Server {
    stream: TcpStream,
    input: BytesMut,
}

impl Server {
    async fn send(mut self, scenario: Scenario, messages: u64) -> anyhow::Result<()> {
        let (mut template, acknowledged) = match scenario {
            Scenario::Consume { qos } => (Template::of(&Reading::sample(), qos)?, qos > 0),
            Scenario::Request { .. } => (Template::of(&Request { number: 1 }, 1)?, true),
            _ => bail!("{scenario} is not measured in one thread"),
        };
        self.subscribed().await?;
        let (mut sent, mut done) = (0, 0);
        let mut output = Vec::new();
        while done < messages {
            while sent < messages && sent < done + BATCH {
                output.extend_from_slice(template.number(sent));
                sent += 1;
            }
            self.stream.write_all(&output).await?;
            output.clear();
            if !acknowledged {
                done = sent;
                // The subject is in the same thread.
                tokio::task::yield_now().await;
                continue;
            }
            for packet in self.read().await?.context("the subject has gone")? {
                match packet {
                    Packet::PubAck(_) if matches!(scenario, Scenario::Consume { .. }) => done += 1,
                    Packet::Publish(publish) => {
                        done += 1;
                        let mut ack = BytesMut::new();
                        PubAck::new(publish.pkid).write(&mut ack)?;
                        output.extend_from_slice(&ack);
                    }
                    _ => {}
                }
            }
        }
        self.stream.write_all(&output).await?;
        if !acknowledged {
            // It goes when it has handled all of them.
            while self.read().await?.is_some() {}
        }
        Ok(())
    }

    async fn subscribed(&mut self) -> anyhow::Result<()> {
        loop {
            for packet in self.read().await?.context("the subject has gone")? {
                let answer = match &packet {
                    Packet::Subscribe(subscribe) => {
                        let granted =
                            subscribe.filters.iter().map(|f| SubscribeReasonCode::Success(f.qos));
                        Packet::SubAck(SubAck::new(subscribe.pkid, granted.collect()))
                    }
                    _ => Packet::ConnAck(ConnAck::new(ConnectReturnCode::Success, false)),
                };
                let mut output = BytesMut::new();
                answer.write(&mut output, usize::MAX)?;
                self.stream.write_all(&output).await?;
                if matches!(packet, Packet::Subscribe(_)) {
                    return Ok(());
                }
            }
        }
    }

    async fn read(&mut self) -> anyhow::Result<Option<Vec<Packet>>> {
        if self.stream.read_buf(&mut self.input).await.unwrap_or(0) == 0 {
            return Ok(None);
        }
        let mut packets = Vec::new();
        loop {
            match Packet::read(&mut self.input, usize::MAX) {
                Ok(packet) => packets.push(packet),
                Err(Error::InsufficientBytes(_)) => return Ok(Some(packets)),
                Err(error) => bail!("{error}"),
            }
        }
    }
}
