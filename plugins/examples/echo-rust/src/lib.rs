//! A processor that answers every message with its own text.

use sgs::{Call, Outcome};

sgs::handle!(echo);

fn echo(call: &Call) -> Outcome {
    call.reply(call.message.text("content"))?;
    Ok(())
}
