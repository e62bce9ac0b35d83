//! Makes the load: an MQTT server or, in front of a broker, a client.

mod flood;
mod peer;
mod requests;
mod template;

pub use peer::{Peer, READY};
pub use template::Template;

use std::io::Write as _;
use std::net::TcpListener;

use anyhow::bail;
use rumqttc::{Packet, PubAck};

use crate::measure::Figures;
use crate::scenario::Scenario;

/// Makes the load of a scenario and returns what was measured on this side. Says on standard output
/// which port to connect to.
pub fn run(scenario: Scenario, broker: Option<u16>) -> anyhow::Result<Figures> {
    let mut peer = match broker {
        Some(port) => {
            let peer = Peer::connect(port)?;
            announce(port)?;
            peer
        }
        None => {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            announce(listener.local_addr()?.port())?;
            if scenario == Scenario::Reconnect {
                return flood::outages(&listener, scenario.messages());
            }
            Peer::accept(&listener)?
        }
    };
    let messages = scenario.messages();
    match scenario {
        Scenario::Consume { qos } => flood::send(&mut peer, qos, messages, 1),
        Scenario::Handlers { count, .. } => flood::send(&mut peer, 0, messages, count),
        Scenario::Request { outstanding } => requests::send(&mut peer, outstanding, messages),
        Scenario::Publish { .. } | Scenario::Idle => acknowledge(&mut peer),
        Scenario::Reconnect => bail!("a broker that does not go cannot come back"),
    }
}

fn announce(port: u16) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{port}")?;
    Ok(out.flush()?)
}

/// Takes what is published, until the other side has gone.
fn acknowledge(peer: &mut Peer) -> anyhow::Result<Figures> {
    while let Some(packets) = peer.read()? {
        for packet in packets {
            if let Packet::Publish(publish) = packet
                && publish.pkid > 0
            {
                peer.write(&Packet::PubAck(PubAck::new(publish.pkid)))?;
            }
        }
        peer.flush()?;
    }
    Ok(Figures::new())
}
