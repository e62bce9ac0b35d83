//! What a handler can return.

mod stream;

use std::future::Future;

use serde::Serialize;
pub use stream::Replies;

use crate::error::BoxError;
use crate::event::Event;
use crate::extract::Context;

/// Something a handler can return: it is published, with the id of the message it answers.
///
/// Implemented for `()`, for events, and for `Option`, `Result`, `Vec`, tuples of up to eight and
/// [`Replies`] of what can be returned. Implement it for a type of your own to turn that into
/// replies:
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use tars_mqtt::prelude::*;
/// use tars_mqtt::reply::IntoReplies;
/// use tars_mqtt::BoxError;
///
/// #[derive(Serialize, Deserialize, Event)]
/// struct Progress { percent: u8 }
///
/// enum Outcome { Done, Partly(u8) }
///
/// impl IntoReplies for Outcome {
///     async fn into_replies(self, context: &Context) -> Result<(), BoxError> {
///         let percent = match self {
///             Self::Done => 100,
///             Self::Partly(percent) => percent,
///         };
///         context.publish(&Progress { percent }).await?;
///         Ok(())
///     }
/// }
///
/// #[subscribe("work")]
/// async fn work() -> Outcome {
///     Outcome::Partly(50)
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    label = "cannot be published as a reply",
    note = "return nothing, an event (#[derive(Event)] with serde's Serialize), or Option, Result, \
            Vec, a tuple or Replies(stream) of events",
    note = "the error of a Result is one that converts to a boxed one: a std::error::Error that is \
            Send and Sync, a text, or anyhow's",
    note = "a type of your own: implement tars_mqtt::reply::IntoReplies for it"
)]
pub trait IntoReplies: Sized {
    /// Publishes it through [`Context::publish`].
    ///
    /// # Errors
    ///
    /// What it returns counts as the handler's own error.
    fn into_replies(self, context: &Context) -> impl Future<Output = Result<(), BoxError>> + Send;
}

impl IntoReplies for () {
    async fn into_replies(self, _: &Context) -> Result<(), BoxError> {
        Ok(())
    }
}

// Its bounds would be told one by one in place of what a handler can return.
#[diagnostic::do_not_recommend]
impl<E: Event + Serialize> IntoReplies for E {
    fn into_replies(self, context: &Context) -> impl Future<Output = Result<(), BoxError>> + Send {
        // Encoded at once, so that the event itself need not cross threads.
        let publish = context.encoded(&self);
        async move {
            context.reply(publish?).await?;
            Ok(())
        }
    }
}

impl<T: IntoReplies + Send> IntoReplies for Option<T> {
    async fn into_replies(self, context: &Context) -> Result<(), BoxError> {
        match self {
            Some(reply) => reply.into_replies(context).await,
            None => Ok(()),
        }
    }
}

impl<T: IntoReplies + Send, E: Into<BoxError> + Send> IntoReplies for Result<T, E> {
    async fn into_replies(self, context: &Context) -> Result<(), BoxError> {
        match self {
            Ok(reply) => reply.into_replies(context).await,
            Err(error) => Err(error.into()),
        }
    }
}

impl<T: IntoReplies + Send> IntoReplies for Vec<T> {
    async fn into_replies(self, context: &Context) -> Result<(), BoxError> {
        for reply in self {
            reply.into_replies(context).await?;
        }
        Ok(())
    }
}

macro_rules! tuples {
    ($(($($name:ident)+))*) => {$(
        #[diagnostic::do_not_recommend]
        impl<$($name: IntoReplies + Send),+> IntoReplies for ($($name,)+) {
            #[allow(non_snake_case)]
            async fn into_replies(self, context: &Context) -> Result<(), BoxError> {
                let ($($name,)+) = self;
                $($name.into_replies(context).await?;)+
                Ok(())
            }
        }
    )*};
}

tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H) }
