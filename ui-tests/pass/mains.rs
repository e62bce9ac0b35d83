//! Every form of `main`.
#![deny(warnings)]

use std::process::ExitCode;

mod with_app {
    use tars_mqtt::prelude::*;

    #[tars_mqtt::main]
    pub async fn main(app: App) -> anyhow::Result<()> {
        app.state(7_u32)
            .on_ready(|client: Client| async move {
                client.message("ready").send().await
            })
            .run()
            .await?;
        Ok(())
    }
}

mod with_options {
    #[tars_mqtt::main(client_id = "tars-llm", source = "llm-worker", health, heartbeat = "5s",
                      dedupe = "30s", flavor = "current_thread", worker_threads = 2)]
    pub async fn main() {}
}

mod without {
    #[tars_mqtt::main(health = false, heartbeat = "off", dedupe = false, flavor = "multi_thread")]
    pub async fn main() -> tars_mqtt::Result<()> {
        Ok(())
    }
}

mod by_pattern {
    #[tars_mqtt::main]
    pub async fn main(_: tars_mqtt::App) -> Result<(), &'static str> {
        Err("no")
    }
}

fn main() {
    let _: [fn() -> ExitCode; 4] =
        [with_app::main, with_options::main, without::main, by_pattern::main];
}
