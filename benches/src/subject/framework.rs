use std::hint::black_box;
use std::time::Duration;

use tars_mqtt::ConnectionState;
use tars_mqtt::prelude::*;

use super::{Progress, Work};
use crate::load::READY;
use crate::measure::{Figures, Span, resident};
use crate::message::{Reading, Request, Response};
use crate::scenario::Scenario;

static PROGRESS: Progress = Progress::new();

#[subscribe(qos = 1)]
async fn sink(reading: Reading) {
    black_box(&reading);
    PROGRESS.handled();
}

#[subscribe]
async fn answer(request: Request) -> Response {
    PROGRESS.handled();
    Response { number: request.number + 1 }
}

pub(super) async fn run(work: Work, dedupe: bool) -> anyhow::Result<Figures> {
    let Work { scenario, messages, port, says_ready } = work;
    let mut config = Config::new(format!("mqtt://127.0.0.1:{port}"), "framework")?
        .clean_session(true)
        .reconnect_delay(Duration::from_millis(100), Duration::from_millis(500));
    if dedupe {
        config = config.dedupe(Duration::from_secs(30), 2048);
    }
    let app = App::bare(config.clone()).on_ready(move |client: Client| async move {
        if says_ready {
            client.message(READY).qos(QoS::AtMostOnce).send().await?;
        }
        Ok::<(), tars_mqtt::Error>(())
    });
    PROGRESS.expect(messages);
    match scenario {
        Scenario::Consume { .. } => {
            let _service = app.handler::<sink>().start().await?;
            PROGRESS.ended().await
        }
        Scenario::Handlers { count, wild } => {
            // Subscriptions of a client go through the same table as handlers do.
            let service = App::bare(config).handler::<sink>().start().await?;
            let mut others = Vec::new();
            for number in 1..count {
                let filter =
                    if wild { format!("bench/+/{number}/#") } else { format!("bench/{number}") };
                others.push(service.client().subscribe::<Request>(&filter).await?);
            }
            PROGRESS.ended().await
        }
        Scenario::Request { .. } => {
            let service = app.handler::<answer>().start().await?;
            let figures = PROGRESS.ended().await;
            last_words_are_taken(&service.client()).await;
            figures
        }
        Scenario::Publish { qos } => {
            let client = Client::connect(config).await?;
            publish(&client, qos, messages).await
        }
        Scenario::Reconnect => {
            let service = app.handler::<sink>().start().await?;
            let figures = PROGRESS.ended().await;
            last_words_are_taken(&service.client()).await;
            figures
        }
        Scenario::Idle => {
            let _service = app.handler::<sink>().start().await?;
            tokio::time::sleep(Duration::from_secs(2)).await;
            Ok(Figures::from([("resident_kib".to_owned(), resident()?)]))
        }
    }
}

/// Waits until the load generator has gone; behind a broker, long enough.
async fn last_words_are_taken(client: &Client) {
    let mut state = client.state();
    let gone = state.wait_for(|state| *state != ConnectionState::Connected);
    let _ = tokio::time::timeout(Duration::from_secs(1), gone).await;
}

async fn publish(client: &Client, qos: u8, messages: u64) -> anyhow::Result<Figures> {
    let qos = if qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
    let reading = Reading::sample();
    let span = Span::begin();
    let mut receipts = Vec::new();
    for _ in 0..messages {
        receipts.push(client.event(&reading).qos(qos).send().await?);
    }
    for receipt in receipts {
        receipt.delivered().await?;
    }
    Ok(span.end(messages))
}
