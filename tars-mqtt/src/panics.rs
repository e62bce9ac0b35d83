//! Where code of the program's own is run so that its panics end nothing else.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Runs something of the program's own. An error is the message of its panic.
///
/// Whatever the panic left half done must not be looked at afterwards.
pub(crate) fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(message)
}

/// The message of a panic.
fn message(panic: Box<dyn Any + Send>) -> String {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned());
    // What is panicked with may panic once more when it is dropped.
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(again);
    }
    message
}

/// Runs a future of the program's own to its end, and drops it. An error is the message of its
/// panic, wherever it came.
pub(crate) async fn caught_to_the_end<T>(future: impl Future<Output = T>) -> Result<T, String> {
    let mut future = std::pin::pin!(Some(future));
    let outcome = std::future::poll_fn(|task| poll(future.as_mut(), task)).await;
    let dropped = caught(|| future.set(None));
    let outcome = outcome?;
    dropped.map(|()| outcome)
}

fn poll<F: Future>(
    future: Pin<&mut Option<F>>,
    task: &mut Context<'_>,
) -> Poll<Result<F::Output, String>> {
    let Some(future) = future.as_pin_mut() else { return Poll::Pending };
    match caught(|| future.poll(task)) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct PanicsWhenDropped;

    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    #[test]
    fn a_panic_is_caught_with_its_message_whatever_it_was_raised_with() {
        assert_eq!(caught(|| 1), Ok(1));
        assert_eq!(caught(|| panic!("a")), Err::<(), _>("a".to_owned()));
        assert_eq!(caught(|| panic!("{}", 7)), Err::<(), _>("7".to_owned()));
        let odd = caught(|| std::panic::panic_any(PanicsWhenDropped));
        assert_eq!(odd, Err::<(), _>("a panic without a message".to_owned()));
    }

    #[tokio::test]
    async fn a_future_may_panic_at_work_and_when_it_is_dropped() {
        assert_eq!(caught_to_the_end(async { 1 }).await, Ok(1));
        let at_work = caught_to_the_end(async { panic!("at work") }).await;
        assert_eq!(at_work, Err::<(), _>("at work".to_owned()));
        let value = PanicsWhenDropped;
        let at_the_end = caught_to_the_end(async move {
            let _value = value;
        });
        assert_eq!(at_the_end.await, Err("dropped".to_owned()));
    }
}
