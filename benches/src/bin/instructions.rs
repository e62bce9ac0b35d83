//! Handles so many messages in one thread, for valgrind to count the instructions.

use anyhow::bail;
use benches::in_process;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [subject, scenario, messages] = &arguments[..] else {
        bail!("instructions SUBJECT SCENARIO MESSAGES");
    };
    in_process::run(subject.parse()?, scenario.parse()?, messages.parse()?)?;
    Ok(())
}
