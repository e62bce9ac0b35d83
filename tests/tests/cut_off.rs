//! What is given up half way leaves nothing behind that holds a message.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rumqttc::{Packet, PubAck};
use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;
use tests::{Connection, Logs, ScriptedServer, envelope, eventually, within};
use tokio::sync::Semaphore;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Work {
    number: u64,
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Done {
    number: u64,
}

#[derive(Clone)]
struct Gate {
    begun: Arc<AtomicUsize>,
    given_up: Arc<AtomicUsize>,
    open: Arc<Semaphore>,
}

#[subscribe("work", timeout = "3s")]
async fn answers(work: Work, State(gate): State<Gate>) -> Done {
    gate.begun.fetch_add(1, Ordering::SeqCst);
    gate.open.acquire().await.unwrap().forget();
    Done { number: work.number }
}

#[subscribe("work")]
async fn gives_up(context: Context, work: Work, State(gate): State<Gate>) {
    gate.begun.fetch_add(1, Ordering::SeqCst);
    gate.open.acquire().await.unwrap().forget();
    let done = Done { number: work.number };
    let published = tokio::time::timeout(Duration::from_millis(200), context.publish(&done));
    if published.await.is_err() {
        gate.given_up.fetch_add(1, Ordering::SeqCst);
    }
}

/// Answers everything, up to the acknowledgement of a message.
async fn acknowledged(connection: &mut Connection, id: u16) {
    loop {
        match connection.next().await.expect("the client is there") {
            Packet::Publish(publish) => {
                connection.send(Packet::PubAck(PubAck::new(publish.pkid))).await;
            }
            Packet::PubAck(ack) if ack.pkid == id => return,
            other => panic!("{other:?} instead of a PUBACK for {id}"),
        }
    }
}

/// A handler has no room for its reply while the link is down, and gives up. Its message comes
/// again with the link, and is acknowledged.
async fn gives_up_for_want_of_room(
    app: impl FnOnce(App) -> App,
    has_given_up: impl Fn(&Gate) -> bool,
) {
    let server = ScriptedServer::start().await;
    let gate =
        Gate { begun: Arc::default(), given_up: Arc::default(), open: Arc::new(Semaphore::new(0)) };
    let app = app(App::bare(server.config()).state(gate.clone()));
    let (service, mut connection) = tokio::join!(app.start(), async {
        let mut connection = server.connected(false).await;
        connection.subscribe().await;
        connection
    });
    let service = service.unwrap();
    let message = |number| envelope("work", "1", &format!(r#"{{"number":{number}}}"#));
    connection.deliver("work", &message(1), 7, false).await;
    eventually("the handler is at work", || gate.begun.load(Ordering::SeqCst) == 1).await;
    drop(connection);
    let mut state = service.client().state();
    let gone = state.wait_for(|state| *state != tars_mqtt::ConnectionState::Connected);
    drop(within("the loss is noticed", gone).await.unwrap());
    // One that waits for room says that there is none.
    let client = service.client();
    let fill = async {
        loop {
            client.message("filler").send().await.unwrap();
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(1), fill).await.is_err());
    gate.open.add_permits(1);
    eventually("the handler gives up", || has_given_up(&gate)).await;

    let mut connection = server.connected(true).await;
    connection.deliver("work", &message(1), 7, true).await;
    within("the acknowledgement of the first", acknowledged(&mut connection, 7)).await;
    gate.open.add_permits(1);
    connection.deliver("work", &message(2), 8, false).await;
    within("that of the next", acknowledged(&mut connection, 8)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_cut_off_while_it_waits_for_room_fails_its_message_alone() {
    let logs = Logs::of_this_process();
    let is_cut_off = |_: &Gate| logs.contain(&["a handler failed: it did not finish", "answers"]);
    gives_up_for_want_of_room(|app| app.handler::<answers>(), is_cut_off).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_gives_up_publishing_is_done_with_its_message() {
    let has_given_up = |gate: &Gate| gate.given_up.load(Ordering::SeqCst) == 1;
    gives_up_for_want_of_room(|app| app.handler::<gives_up>(), has_given_up).await;
}
