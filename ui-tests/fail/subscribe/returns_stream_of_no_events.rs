use futures_util::{Stream, stream};
use tars_mqtt::prelude::*;

#[subscribe("jobs")]
async fn read(_: Bytes) -> Replies<impl Stream<Item = u32> + Send> {
    Replies(stream::iter([1, 2]))
}

fn main() {}
