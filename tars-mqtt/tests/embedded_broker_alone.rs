//! What the embedded broker leaves behind and what it logs: measured in a process of its own,
//! for neither can be told apart from what other brokers do.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use tars_mqtt::broker::EmbeddedBroker;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

const MESSAGES: usize = 200;

/// Counts what is logged, by target and level.
#[derive(Clone, Default)]
struct Counts(Arc<Mutex<BTreeMap<(String, Level), usize>>>);

impl Counts {
    fn take(&self) -> BTreeMap<(String, Level), usize> {
        std::mem::take(&mut self.0.lock().expect("no test panicked with it"))
    }
}

impl<S: Subscriber> Layer<S> for Counts {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let root = metadata.target().split("::").next().unwrap_or_default();
        let key = (root.to_owned(), *metadata.level());
        *self.0.lock().expect("no test panicked with it").entry(key).or_default() += 1;
    }
}

/// One client connects, subscribes, sends itself messages and cuts the connection.
async fn use_it(broker: &EmbeddedBroker) {
    let address = broker.local_addr();
    let options = MqttOptions::new("client", address.ip().to_string(), address.port());
    let (client, mut events) = AsyncClient::new(options, 2 * MESSAGES);
    client.subscribe("topic", QoS::AtLeastOnce).await.expect("the client runs");
    for _ in 0..MESSAGES {
        let published = client.publish("topic", QoS::AtLeastOnce, true, "hello").await;
        published.expect("the client runs");
    }
    let mut received = 0;
    while received < MESSAGES {
        let event = tokio::time::timeout(Duration::from_secs(30), events.poll())
            .await
            .expect("it should not take so long")
            .expect("the connection should last");
        received += usize::from(matches!(event, Event::Incoming(Packet::Publish(_))));
    }
}

#[test]
fn it_logs_nothing_per_message_and_leaves_no_thread_and_no_file_open() {
    let counts = Counts::default();
    let subscriber = tracing_subscriber::registry().with(counts.clone());
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = format!("{}/alone-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id());

    let cycle = || {
        runtime.block_on(async {
            let broker = EmbeddedBroker::builder().address("127.0.0.1:0").storage_dir(&folder);
            let broker = broker.start().await.unwrap();
            counts.take();
            assert_ne!(broker_threads(), Some(0));
            use_it(&broker).await;
            broker.stop().await.unwrap();
            let logged = counts.take();
            assert!(logged.values().sum::<usize>() < 20, "{logged:?}");
            assert!(
                logged.keys().all(|(target, _)| matches!(&**target, "mqtt5" | "tars_mqtt")),
                "{logged:?}"
            );
        });
    };

    // The first one may set up what the process keeps.
    cycle();
    let files = open_files();
    for _ in 0..3 {
        cycle();
        assert_eq!(broker_threads().unwrap_or_default(), 0);
        assert_eq!(open_files(), files);
    }

    // Neither does one that nobody waits for any more.
    runtime.block_on(async {
        let start = Box::pin(EmbeddedBroker::start("127.0.0.1:0"));
        tokio::select! {
            biased;
            _ = start => panic!("it cannot have started at once"),
            () = std::future::ready(()) => {}
        }
    });
    let begin = Instant::now();
    while broker_threads().unwrap_or_default() > 0 || open_files() != files {
        assert!(begin.elapsed() < Duration::from_secs(30));
        std::thread::yield_now();
    }
    fs::remove_dir_all(folder).unwrap();
}

/// How many threads with the broker's name there are, where the system tells.
fn broker_threads() -> Option<usize> {
    let tasks = fs::read_dir("/proc/self/task").ok()?;
    let names = tasks.flatten().map(|task| fs::read_to_string(task.path().join("comm")));
    // The second is the name of the threads on which its runtime reads and writes files.
    let ours = |name: &String| matches!(name.trim(), "mqtt-broker" | "tokio-rt-worker");
    Some(names.flatten().filter(ours).count())
}

/// How many files and sockets are open, where the system tells.
fn open_files() -> Option<usize> {
    Some(fs::read_dir("/proc/self/fd").ok()?.count())
}
