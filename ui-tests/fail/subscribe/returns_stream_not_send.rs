use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;

#[derive(Serialize, Deserialize, Event)]
struct Word {
    word: String,
}

#[subscribe("jobs")]
async fn read(_: Bytes) -> Replies<impl Stream<Item = Word>> {
    let word = std::rc::Rc::new("a".to_owned());
    Replies(stream::once(async move { Word { word: word.to_string() } }))
}

fn main() {}
