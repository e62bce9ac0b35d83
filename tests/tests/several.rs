//! Several services in one process.

use tars_mqtt::Error;
use tars_mqtt::prelude::*;
use tests::{Spy, on_each_broker};

mod kitchen {
    use serde::{Deserialize, Serialize};
    use tars_mqtt::prelude::*;

    #[derive(Serialize, Deserialize, Event)]
    #[event(bare)]
    pub(super) struct Cooked {
        by: String,
    }

    #[subscribe("orders")]
    async fn cook(order: Bytes) -> Cooked {
        drop(order);
        Cooked { by: "kitchen".to_owned() }
    }

    mod bar {
        use super::Cooked;
        use tars_mqtt::prelude::*;

        #[subscribe("drinks")]
        async fn mix(order: Bytes) -> Cooked {
            drop(order);
            Cooked { by: "bar".to_owned() }
        }
    }

    pub(super) fn service(app: App) -> App {
        app.handlers_in(module_path!())
    }
}

/// Its name begins like that of the other module, and it is another one.
mod kitchen_next_door {
    use super::kitchen::Cooked;
    use tars_mqtt::prelude::*;

    #[subscribe("orders")]
    async fn cook(order: Bytes) -> Option<Cooked> {
        drop(order);
        None
    }

    #[subscribe("never/asked")]
    async fn needs_a_state(_: State<u8>, order: Bytes) {
        drop(order);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_takes_the_handlers_of_its_module_and_no_others() {
    on_each_broker(|broker| async move {
        let service = kitchen::service(App::new(broker.config("kitchen"))).start().await.unwrap();
        let mut spy = Spy::on(broker.port(), &["cooked"]).await;
        spy.publish("orders", "soup").await;
        assert_eq!(spy.next().await.payload, r#"{"by":"kitchen"}"#);
        spy.publish("drinks", "tea").await;
        assert_eq!(spy.next().await.payload, r#"{"by":"bar"}"#);
        service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_module_without_handlers_is_an_error_that_says_how_to_name_one() {
    let config = Config::new("mqtt://127.0.0.1:1", "nobody").unwrap();
    let outcome = App::new(config).handlers_in("several::cellar").start().await;
    let Err(error @ Error::NoHandlers) = outcome else { panic!("{outcome:?}") };
    assert!(error.to_string().contains("module_path!()"), "{error}");
}
