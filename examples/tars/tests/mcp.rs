//! The tools, as language models see them.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use tars_mqtt::prelude::*;
use tests::{Spy, envelope, json, on_each_broker};

fn call(id: &str, name: &str, arguments: &Value) -> String {
    let data = json!({"call_id": id, "name": name, "arguments": arguments});
    envelope("llm.tool.call.request", id, &data.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_are_offered_retained_and_run() {
    on_each_broker(|broker| async move {
        let service = tars::mcp::service(App::new(broker.config("mcp"))).unwrap();
        let service = service.start().await.unwrap();
        // Once it has been seen, the broker has it for those who come later.
        let topic = "llm/tools/registry";
        Spy::on(broker.port(), &[topic]).await.next().await;
        let registry = Spy::on(broker.port(), &[topic]).await.next().await;
        assert!(registry.retain);
        let registry = json(&registry);
        assert_eq!(registry["type"], "llm.tools.registry");
        let tools = registry["data"]["tools"].as_array().unwrap();
        let names: Vec<_> = tools.iter().map(|tool| &tool["function"]["name"]).collect();
        assert_eq!(names, ["calculate", "time", "remember"]);
        assert!(tools.iter().all(|tool| tool["type"] == "function"));

        let mut spy = Spy::on(broker.port(), &["llm/tool.call.result"]).await;
        let mut result = async |id, name, arguments: Value| {
            spy.publish("llm/tool.call.request", call(id, name, &arguments)).await;
            let result = json(&spy.next().await);
            assert_eq!((&result["id"], &result["data"]["call_id"]), (&json!(id), &json!(id)));
            result["data"].clone()
        };
        let sum = result("c1", "calculate", json!({"expression": "2 + 3 * 4"})).await;
        assert_eq!((&sum["result"], &sum["error"]), (&json!({"value": 14}), &Value::Null));
        let time = result("c2", "time", json!({"zone": "UTC"})).await;
        assert_eq!(time["result"]["zone"], "UTC");
        let error = result("c3", "calculate", json!({"expression": "two"})).await;
        assert_eq!(error["result"], Value::Null);
        let text = error["error"].as_str().unwrap();
        assert!(text.starts_with(r#"`calculate`: "two" is no arithmetic expression"#), "{text}");
        let error = result("c4", "fly", json!({})).await;
        assert!(error["error"].as_str().unwrap().contains("there is no tool `fly`"), "{error}");
        service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_be_remembered_is_found_in_the_memory() {
    on_each_broker(|broker| async move {
        let folder = tempfile::TempDir::new().unwrap();
        let character = tars::memory::Character::load(None).unwrap();
        let store = tars::memory::Store::open(folder.path().join("m.jsonl"), character).unwrap();
        let memory = tars::memory::with(App::new(broker.config("memory")), store);
        let memory = memory.start().await.unwrap();
        let tools = tars::mcp::service(App::new(broker.config("mcp"))).unwrap();
        let tools = tools.start().await.unwrap();

        let mut spy = Spy::on(broker.port(), &["tts/say", "memory/results"]).await;
        let fact = json!({"fact": "your cat is called Tom"});
        spy.publish("llm/tool.call.request", call("c1", "remember", &fact)).await;
        let said = json(&spy.next().await);
        assert_eq!(said["data"]["text"], "I will remember that your cat is called Tom.");
        let found = loop {
            spy.publish("memory/query", r#"{"text": "what is my cat called?"}"#).await;
            let results = json(&spy.next_on("memory/results").await);
            if let Some(found) = results["data"]["results"].get(0) {
                break found.clone();
            }
        };
        assert_eq!(found["document"]["text"], said["data"]["text"]);
        tools.stop().await.unwrap();
        memory.stop().await.unwrap();
    })
    .await;
}
