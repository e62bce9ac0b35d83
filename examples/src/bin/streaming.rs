//! A handler that answers piece by piece: `Replies` publishes each item of a stream as it comes.
//!
//! ```sh
//! cargo run --bin streaming
//! ```

use std::time::Duration;

use futures_util::{Stream, StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Question {
    text: String,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event("answer.delta", qos = 0)]
struct Delta {
    seq: usize,
    word: String,
    done: bool,
}

#[subscribe]
async fn answer(question: Question) -> Replies<impl Stream<Item = Delta> + Send> {
    let mut words: Vec<String> = question.text.split_whitespace().map(str::to_owned).collect();
    words.reverse();
    let last = words.len().saturating_sub(1);
    Replies(stream::iter(words).enumerate().then(move |(seq, word)| async move {
        tokio::time::sleep(Duration::from_millis(150)).await;
        Delta { seq, word, done: seq == last }
    }))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let broker = examples::broker().await?;
    let service = App::new(examples::config(&broker, "streamer")?).start().await?;
    let client = Client::connect(examples::config(&broker, "reader")?).await?;

    let mut deltas = client.subscribe::<Delta>(Delta::TOPIC).await?;
    client.publish(&Question { text: "piece by piece answer an is this".into() }).await?;
    while let Some(Envelope { data, .. }) = deltas.next().await {
        println!("{}: {}", data.seq, data.word);
        if data.done {
            break;
        }
    }

    client.shutdown().await?;
    service.stop().await?;
    broker.stop().await?;
    Ok(())
}
