use tars_mqtt::prelude::*;

struct Service;

impl Service {
    #[subscribe("jobs")]
    async fn read(&self, _: Bytes) {}
}

fn main() {}
