//! Offers tools to language models, and runs them.
//!
//! `remember` says aloud what it is told to remember, as [`TtsSay`]: what is said is what the memory
//! keeps, so a fact is found again whoever asked for it to be remembered, and who is in the room hears
//! how it was understood.

mod calculate;
mod time;
mod tools;

use tars_mqtt::prelude::*;

use crate::contracts::{ToolCallRequest, ToolCallResult, ToolsRegistry, TtsSay};

/// The tools. There is nothing to be set.
///
/// # Errors
///
/// None; as for every service.
pub fn service(app: App) -> anyhow::Result<App> {
    Ok(app.handlers_in(module_path!()).on_ready(|client: Client| async move {
        let tools = tools::TOOLS.iter().map(tools::Tool::spec).collect();
        client.publish(&ToolsRegistry { tools, ..ToolsRegistry::default() }).await
    }))
}

#[subscribe]
async fn call(call: ToolCallRequest) -> (Option<TtsSay>, ToolCallResult) {
    let outcome = tools::run(&call.name, call.arguments);
    let result = ToolCallResult { call_id: call.call_id, ..ToolCallResult::default() };
    match outcome {
        Ok(tools::Outcome { result: object, say }) => (
            say.map(|text| TtsSay { text, ..TtsSay::default() }),
            ToolCallResult { result: Some(object), ..result },
        ),
        Err(error) => (None, ToolCallResult { error: Some(format!("{error:#}")), ..result }),
    }
}
