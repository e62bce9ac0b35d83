use std::io;
use std::time::Duration;

use rumqttc::{ConnectReturnCode, Packet};

use super::link::Link;
use crate::config::{Config, Secret};
use crate::error::Refusal;
use crate::net::dial::{Dialer, within};
use crate::net::{ConnectError, Stream};
use crate::qos::QoS;
use crate::wire::v4::to_rumqttc;
use crate::wire::{LastWill, PacketSink as _, TrafficTap, kind};

/// How long each step may take after the connection: TLS, WebSocket, and CONNACK.
const STEP_LIMIT: Duration = Duration::from_secs(10);

/// As long as the broker's name has other addresses, to be tried if this one stays silent.
const STEP_LIMIT_WITH_OTHERS: Duration = Duration::from_secs(4);

/// A connection that the broker has accepted.
pub(crate) struct Opened {
    pub(crate) link: Link,
    /// Whether the broker kept the session of an earlier connection.
    pub(crate) session_present: bool,
}

/// Reaches the broker and introduces this client.
pub(crate) async fn open(
    dialer: &dyn Dialer,
    config: &Config,
    will: Option<LastWill>,
    tap: TrafficTap,
) -> Result<Opened, ConnectError> {
    let password = dialer.renewed_password().await;
    let mut attempt = dialer.attempt().await?;
    loop {
        let stream = attempt.next().await?;
        let limit = if attempt.has_others() { STEP_LIMIT_WITH_OTHERS } else { STEP_LIMIT };
        let introduced = async {
            let stream = attempt.dress(stream, limit).await?;
            let greeting = connect(config, password.as_ref(), will.clone());
            let greeting = introduce(stream, config, greeting, tap.clone());
            within(limit, "CONNECT", greeting).await
        };
        match introduced.await {
            Ok(opened) => {
                attempt.worked();
                return Ok(opened);
            }
            // The broker has been found, and another way leads to the same one.
            Err(refused @ ConnectError::Refused(_)) => return Err(refused),
            // Once no address is left, what failed at each of them is the error.
            Err(error) => attempt.failed(&error),
        }
    }
}

async fn introduce(
    stream: Box<dyn Stream>,
    config: &Config,
    connect: rumqttc::Connect,
    tap: TrafficTap,
) -> Result<Opened, ConnectError> {
    let mut link = Link::new(stream, config.packet_limit(), tap);
    link.send_raw(Packet::Connect(connect).into());
    loop {
        if let Some(other) = other_protocol(link.received()) {
            return Err(ConnectError::Failed(other.to_owned()));
        }
        if let Some(packet) = link.next_raw(config.packet_limit()).map_err(ConnectError::Failed)? {
            return accepted(link, packet.into_shown());
        }
        link.drive(true).await.map_err(|error| unanswered(config, &error))?;
    }
}

/// What a server speaks whose answer to CONNECT begins like this, if that is not MQTT.
fn other_protocol(answer: &[u8]) -> Option<&'static str> {
    // The records of TLS: an alert, or a handshake.
    if matches!(answer, [0x15 | 0x16, 3, ..]) {
        return Some("the server speaks TLS at this port: write mqtts:// or wss:// in MQTT_URL");
    }
    [
        (
            "HTTP/",
            "a web server answers at this port: write another port in MQTT_URL, or ws:// if it \
             carries MQTT over WebSocket",
        ),
        ("SSH-", "an SSH server answers at this port: write another one in MQTT_URL"),
    ]
    .into_iter()
    .find(|(begin, _)| answer.starts_with(begin.as_bytes()))
    .map(|(_, words)| words)
}

/// The connection ended where CONNACK should have come.
fn unanswered(config: &Config, error: &io::Error) -> ConnectError {
    #[cfg(feature = "tls")]
    if config.url().scheme().is_tls() {
        // With TLS 1.3 a server judges the client's certificate only now.
        return ConnectError::Unanswered(crate::net::explained_after(error));
    }
    let hint = if config.url().scheme().is_tls() {
        ""
    } else {
        "; where this is a port for TLS, write mqtts:// or wss:// in MQTT_URL"
    };
    ConnectError::Unanswered(format!("{error}{hint}"))
}

/// The password, where there is one, takes the place of the one that was in its file at the start.
fn connect(config: &Config, password: Option<&Secret>, will: Option<LastWill>) -> rumqttc::Connect {
    let mut connect = rumqttc::Connect::new(config.client_id());
    connect.keep_alive = u16::try_from(config.keep_alive_interval().as_secs()).unwrap_or(u16::MAX);
    connect.clean_session = config.is_clean_session();
    connect.last_will = will.map(|will| rumqttc::LastWill {
        topic: will.topic,
        message: will.payload,
        qos: to_rumqttc(QoS::AtLeastOnce),
        retain: true,
    });
    if let Some((user, password)) = config.login_with(password) {
        connect.set_login(user, password.unwrap_or_default());
    }
    connect
}

fn accepted(link: Link, packet: Packet) -> Result<Opened, ConnectError> {
    let Packet::ConnAck(ack) = packet else {
        return Err(ConnectError::Failed(format!(
            "the answer to CONNECT is a {} and no CONNACK: is this an MQTT broker?",
            kind(&packet)
        )));
    };
    let refusal = match ack.code {
        ConnectReturnCode::Success => {
            return Ok(Opened { link, session_present: ack.session_present });
        }
        ConnectReturnCode::RefusedProtocolVersion => Refusal::ProtocolVersion,
        ConnectReturnCode::BadClientId => Refusal::ClientId,
        ConnectReturnCode::BadUserNamePassword => Refusal::Credentials,
        ConnectReturnCode::NotAuthorized => Refusal::NotAuthorized,
        ConnectReturnCode::ServiceUnavailable => {
            return Err(ConnectError::Failed("the broker says it is unavailable".to_owned()));
        }
    };
    Err(ConnectError::Refused(refusal))
}
