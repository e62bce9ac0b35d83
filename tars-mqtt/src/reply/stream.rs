use std::future::poll_fn;
use std::pin::pin;

use futures_core::Stream;

use super::IntoReplies;
use crate::error::BoxError;
use crate::extract::Context;

/// A stream of replies, each published as it comes.
///
/// The message it answers is acknowledged when the stream has ended and the broker has every reply
/// at QoS 1 or 2. The handler's timeout covers the whole stream.
///
/// ```
/// use std::pin::Pin;
/// use futures_util::{Stream, StreamExt, stream};
/// use serde::{Deserialize, Serialize};
/// use tars_mqtt::prelude::*;
///
/// #[derive(Serialize, Deserialize, Event)]
/// struct Ask { text: String }
///
/// #[derive(Serialize, Deserialize, Event)]
/// struct Word { word: String }
///
/// #[subscribe]
/// async fn words(ask: Ask) -> Replies<impl Stream<Item = Word> + Send> {
///     let words: Vec<String> = ask.text.split_whitespace().map(str::to_owned).collect();
///     Replies(stream::iter(words).map(|word| Word { word }))
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Replies<S>(pub S);

impl<S> IntoReplies for Replies<S>
where
    S: Stream + Send,
    S::Item: IntoReplies + Send,
{
    async fn into_replies(self, context: &Context) -> Result<(), BoxError> {
        let mut stream = pin!(self.0);
        while let Some(reply) = poll_fn(|task| stream.as_mut().poll_next(task)).await {
            reply.into_replies(context).await?;
        }
        Ok(())
    }
}
