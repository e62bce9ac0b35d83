use std::hint::black_box;
use std::time::Duration;

use anyhow::bail;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Outgoing, Packet, QoS};

use super::{Progress, Work};
use crate::load::READY;
use crate::measure::{Figures, Span, resident};
use crate::message::{Envelope, Reading, Request, Response};
use crate::scenario::Scenario;

/// Requests that wait in the client's channel.
const CHANNEL: usize = 1000;

fn connect(port: u16) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new("raw", "127.0.0.1", port);
    options.set_max_packet_size(1 << 20, 1 << 20);
    options.set_inflight(1000);
    let (client, mut eventloop) = AsyncClient::new(options, CHANNEL);
    eventloop.network_options.set_tcp_nodelay(true);
    (client, eventloop)
}

pub(super) async fn run(work: Work) -> anyhow::Result<Figures> {
    let Work { scenario, messages, port, says_ready } = work;
    let (client, eventloop) = connect(port);
    match scenario {
        Scenario::Consume { .. } | Scenario::Handlers { .. } => {
            client.subscribe("bench/reading", QoS::AtLeastOnce).await?;
            consume(client, eventloop, messages, says_ready).await
        }
        Scenario::Request { .. } => {
            client.subscribe("bench/request", QoS::AtLeastOnce).await?;
            answer(client, eventloop, messages, says_ready).await
        }
        Scenario::Publish { qos } => publish(client, eventloop, qos, messages).await,
        Scenario::Reconnect => reconnect(client, eventloop, messages).await,
        Scenario::Idle => {
            client.subscribe("bench/reading", QoS::AtLeastOnce).await?;
            idle(eventloop).await
        }
    }
}

async fn consume(
    client: AsyncClient,
    mut eventloop: EventLoop,
    messages: u64,
    says_ready: bool,
) -> anyhow::Result<Figures> {
    let progress = Progress::new();
    progress.expect(messages);
    let mut handled = 0;
    while handled < messages {
        match eventloop.poll().await? {
            Event::Incoming(Packet::Publish(publish)) => {
                let envelope: Envelope<Reading> = serde_json::from_slice(&publish.payload)?;
                black_box(&envelope);
                progress.handled();
                handled += 1;
            }
            Event::Incoming(Packet::SubAck(_)) if says_ready => {
                client.publish(READY, QoS::AtMostOnce, false, "").await?;
            }
            _ => {}
        }
    }
    progress.ended().await
}

async fn answer(
    client: AsyncClient,
    mut eventloop: EventLoop,
    messages: u64,
    says_ready: bool,
) -> anyhow::Result<Figures> {
    let progress = Progress::new();
    progress.expect(messages);
    let mut acknowledged = 0;
    while acknowledged < messages {
        // The load generator goes when it has the last answer.
        let Ok(event) = eventloop.poll().await else { break };
        match event {
            Event::Incoming(Packet::Publish(publish)) => {
                let request: Envelope<Request> = serde_json::from_slice(&publish.payload)?;
                progress.handled();
                let response = Response { number: request.data.number + 1 };
                let response = Envelope::new(request.id, "bench.response", response);
                let payload = serde_json::to_vec(&response)?;
                client.try_publish("bench/response", QoS::AtLeastOnce, false, payload)?;
            }
            Event::Incoming(Packet::PubAck(_)) => acknowledged += 1,
            Event::Incoming(Packet::SubAck(_)) if says_ready => {
                client.publish(READY, QoS::AtMostOnce, false, "").await?;
            }
            _ => {}
        }
    }
    progress.ended().await
}

async fn publish(
    client: AsyncClient,
    mut eventloop: EventLoop,
    qos: u8,
    messages: u64,
) -> anyhow::Result<Figures> {
    while !matches!(eventloop.poll().await?, Event::Incoming(Packet::ConnAck(_))) {}
    let pump = tokio::spawn(async move {
        let mut done = 0;
        while done < messages {
            match eventloop.poll().await? {
                Event::Outgoing(Outgoing::Publish(_)) if qos == 0 => done += 1,
                Event::Incoming(Packet::PubAck(_)) => done += 1,
                _ => {}
            }
        }
        anyhow::Ok(())
    });
    let qos = if qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
    let span = Span::begin();
    for number in 0..messages {
        let id = format!("{number:032x}");
        let payload = serde_json::to_vec(&Envelope::new(id, "bench.reading", Reading::sample()))?;
        client.publish("bench/reading", qos, false, payload).await?;
    }
    pump.await??;
    Ok(span.end(messages))
}

/// Connects again after 100 ms, and subscribes again each time.
async fn reconnect(
    client: AsyncClient,
    mut eventloop: EventLoop,
    times: u64,
) -> anyhow::Result<Figures> {
    let mut handled = 0;
    loop {
        match eventloop.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                client.try_subscribe("bench/reading", QoS::AtLeastOnce)?;
            }
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                let envelope: Envelope<Reading> = serde_json::from_slice(&publish.payload)?;
                black_box(&envelope);
                handled += 1;
            }
            Ok(_) => {}
            Err(_) if handled == times => return Ok(Figures::new()),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn idle(mut eventloop: EventLoop) -> anyhow::Result<Figures> {
    let idle = async {
        loop {
            eventloop.poll().await?;
        }
    };
    match tokio::time::timeout(Duration::from_secs(2), idle).await {
        Ok(Err::<(), rumqttc::ConnectionError>(error)) => bail!("{error}"),
        _ => Ok(Figures::from([("resident_kib".to_owned(), resident()?)])),
    }
}
