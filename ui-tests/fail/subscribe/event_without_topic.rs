//! Dead letters go where each handler says, so there is no topic to take from the event.

use tars_mqtt::DeadLetter;
use tars_mqtt::prelude::*;

#[subscribe]
async fn bury(letter: DeadLetter) {
    drop(letter);
}

fn main() {}
