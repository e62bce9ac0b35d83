//! The connection to the broker: kept up, subscribed, and careful about acknowledgements.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, bail, ensure};
use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, LastWill, MqttOptions,
    Outgoing, Packet, Publish, QoS, SubscribeFilter, SubscribeReasonCode,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::sleep;

use crate::settings::Settings;

/// QoS 0 messages that may wait; what comes beyond them is dropped.
const QUEUE: usize = 256;

/// A message, and the connection on which it came: it can be acknowledged on that one alone.
pub(crate) struct Delivery {
    pub(crate) publish: Publish,
    epoch: u64,
    /// The place of a QoS 0 message among those that may wait.
    _place: Option<OwnedSemaphorePermit>,
}

/// How the connection is. What has happened is counted: who looks on may miss a moment in between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) up: bool,
    /// Connections that were lost.
    epoch: u64,
    /// Sessions that the broker has begun for us, without subscriptions and publishes of ours.
    session: u64,
    /// The session for which it has granted our subscriptions.
    granted: Option<u64>,
    /// Whether it has refused one.
    refused: bool,
    /// Publishes of ours that it has acknowledged.
    published: u64,
}

impl Link {
    pub(crate) fn is_subscribed(&self) -> bool {
        self.granted == Some(self.session)
    }
}

/// Talks to the broker. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Connection {
    client: AsyncClient,
    link: Arc<watch::Sender<Link>>,
    /// Held while an acknowledgement is handed in, so that it cannot slip onto the next connection.
    epoch: Arc<Mutex<u64>>,
    /// One publish at a time, so that a PUBACK can only be for that one.
    publishing: Arc<tokio::sync::Mutex<()>>,
}

impl Connection {
    /// Prepares a connection. It is made by [`pump`].
    pub(crate) fn prepare(settings: &Settings, will: LastWill) -> (Self, EventLoop) {
        let mut options = MqttOptions::new(&settings.client_id, &settings.host, settings.port);
        options
            .set_keep_alive(settings.keep_alive)
            .set_clean_session(false)
            .set_manual_acks(true)
            .set_max_packet_size(settings.largest_packet, settings.largest_packet)
            .set_last_will(will);
        if let Some(login) = &settings.login {
            options.set_credentials(&login.user, &login.password);
        }
        let (client, mut events) = AsyncClient::new(options, 64);
        events.network_options.set_tcp_nodelay(true);
        let connection = Self {
            client,
            link: Arc::new(watch::Sender::new(Link::default())),
            epoch: Arc::default(),
            publishing: Arc::default(),
        };
        (connection, events)
    }

    pub(crate) fn link(&self) -> watch::Receiver<Link> {
        self.link.subscribe()
    }

    /// Subscribes, and waits until the broker has granted it, or the connection is lost.
    pub(crate) async fn subscribe(&self, topics: &[&str]) -> anyhow::Result<()> {
        let mut link = self.link();
        let epoch = link.borrow().epoch;
        let filter = |topic: &&str| SubscribeFilter::new((*topic).to_owned(), QoS::AtLeastOnce);
        self.client.subscribe_many(topics.iter().map(filter)).await?;
        let outcome =
            link.wait_for(|link| link.refused || link.is_subscribed() || link.epoch > epoch);
        ensure!(!outcome.await?.refused, "the broker refuses a subscription to one of {topics:?}");
        Ok(())
    }

    /// Publishes at QoS 1, and waits until the broker has acknowledged it, over any number of lost
    /// connections: where the broker has lost our session, rumqttc has dropped it, and it goes again.
    pub(crate) async fn publish(
        &self,
        topic: &str,
        payload: Vec<u8>,
        retain: bool,
    ) -> anyhow::Result<()> {
        let _alone = self.publishing.lock().await;
        let mut link = self.link();
        loop {
            let Link { session, published, .. } = *link.borrow();
            self.client.publish(topic, QoS::AtLeastOnce, retain, payload.clone()).await?;
            let outcome =
                link.wait_for(|link| link.published > published || link.session > session);
            if outcome.await?.published > published {
                return Ok(());
            }
        }
    }

    /// Publishes at QoS 0 if there is a connection.
    pub(crate) fn try_publish(&self, topic: &str, payload: Vec<u8>) {
        if self.link.borrow().up {
            // The next one comes soon.
            let _ = self.client.try_publish(topic, QoS::AtMostOnce, false, payload);
        }
    }

    /// Tells the broker that a message is done, if it came on this connection.
    pub(crate) fn acknowledge(&self, delivery: &Delivery) {
        let epoch = self.lock();
        if *epoch == delivery.epoch
            && delivery.publish.qos != QoS::AtMostOnce
            && let Err(error) = self.client.try_ack(&delivery.publish)
        {
            tracing::warn!("not acknowledged, and will come again: {error}");
        }
    }

    pub(crate) async fn disconnect(&self) {
        // Without a connection there is nobody to say goodbye to.
        let _ = self.client.disconnect().await;
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.epoch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Link)) {
        self.link.send_modify(change);
    }
}

/// Keeps the connection up until it is ended by us, or is refused for good at the start.
pub(crate) async fn pump(
    connection: Connection,
    mut events: EventLoop,
    deliveries: mpsc::UnboundedSender<Delivery>,
    settings: Settings,
) -> anyhow::Result<()> {
    let room = Arc::new(Semaphore::new(QUEUE));
    let mut attempt = 0_u32;
    let mut was_up = false;
    // Polling is not safe to be cancelled: it is done here and nowhere else.
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(ack))) => {
                (attempt, was_up) = (0, true);
                tracing::info!(session_present = ack.session_present, "connected");
                connection.change(|link| {
                    link.up = true;
                    link.session += u64::from(!ack.session_present);
                });
            }
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                let epoch = *connection.lock();
                let place =
                    (publish.qos == QoS::AtMostOnce).then(|| room.clone().try_acquire_owned().ok());
                if let Some(None) = place {
                    tracing::warn!(publish.topic, "dropped: too many messages wait");
                    continue;
                }
                // While it stops, nothing is handled, and all comes again.
                let _ = deliveries.send(Delivery { publish, epoch, _place: place.flatten() });
            }
            Ok(Event::Incoming(Packet::PubAck(_))) => connection.change(|link| link.published += 1),
            Ok(Event::Incoming(Packet::SubAck(ack))) => connection.change(|link| {
                link.refused |= ack.return_codes.contains(&SubscribeReasonCode::Failure);
                link.granted = Some(link.session);
            }),
            Ok(Event::Outgoing(Outgoing::Disconnect)) => return Ok(()),
            Ok(_) => {}
            Err(error) => {
                if let Some(reason) = refusal(&error)
                    && !was_up
                {
                    bail!("the broker does not want this client: {reason:?}");
                }
                {
                    let mut epoch = connection.lock();
                    *epoch += 1;
                    // What is left of the old connection would be taken for part of the next.
                    events.state.events.clear();
                    connection.change(|link| (link.epoch, link.up) = (*epoch, false));
                }
                let most = settings.shortest_pause * 2_u32.saturating_pow(attempt.min(16));
                let pause = most.min(settings.longest_pause).mul_f64(fastrand::f64());
                attempt += 1;
                tracing::warn!("no connection, trying again in {pause:?}: {error}");
                sleep(pause.max(settings.shortest_pause)).await;
            }
        }
    }
}

fn refusal(error: &ConnectionError) -> Option<ConnectReturnCode> {
    match error {
        ConnectionError::ConnectionRefused(
            code @ (ConnectReturnCode::BadClientId
            | ConnectReturnCode::BadUserNamePassword
            | ConnectReturnCode::NotAuthorized
            | ConnectReturnCode::RefusedProtocolVersion),
        ) => Some(*code),
        _ => None,
    }
}

/// Waits for a connection.
pub(crate) async fn connected(link: &mut watch::Receiver<Link>) -> anyhow::Result<Link> {
    Ok(*link.wait_for(|link| link.up).await.context("the connection has ended")?)
}

/// Waits for the end of that connection.
pub(crate) async fn disconnected(
    link: &mut watch::Receiver<Link>,
    connection: Link,
) -> anyhow::Result<()> {
    let lost = link.wait_for(|link| link.epoch > connection.epoch).await;
    lost.map(drop).context("the connection has ended")
}
