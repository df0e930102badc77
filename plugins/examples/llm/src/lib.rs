//! A processor that answers messages with a language model.

mod completion;
mod failure;
mod history;
mod settings;

use sgs::{Call, Outcome, Plugin, Refusal, Value, Verdict};

use failure::Failure;
use history::History;
use settings::Settings;

sgs::plugin!(Llm);

struct Llm {
    settings: Settings,
    /// Whether the key is granted, until the daemon says no.
    secret: bool,
}

impl Plugin for Llm {
    fn configure(config: Value<'_>) -> Result<Llm, Refusal> {
        Ok(Llm { settings: Settings::read(config)?, secret: true })
    }

    fn handle(&mut self, call: &Call) -> Outcome {
        let message = &call.message;
        let addressed = message.payload.get("is_addressed").and_then(Value::as_bool).unwrap_or(false);
        if self.settings.only_addressed && !addressed || message.text("content").trim().is_empty() {
            return Err(Verdict::drop());
        }
        match self.answer(call) {
            Ok(answer) => Ok(call.reply(&answer)?),
            Err(Failure::Again { after, why }) if message.attempt < self.settings.max_attempts => {
                Err(Verdict::retry(why).after(after.unwrap_or_default()))
            }
            Err(Failure::Again { why, .. } | Failure::Never { why }) => {
                sgs::error(&format!("the message is answered with the refusal: {}", why));
                Ok(call.reply(&self.settings.refusal_text)?)
            }
        }
    }
}

impl Llm {
    /// answer asks for an answer, and adds it to the channel's history.
    fn answer(&mut self, call: &Call) -> Result<String, Failure> {
        let question = call.message.text("content");
        let history = History::load(call, &self.settings)?;
        let body = completion::body(&self.settings, &history, question);
        let answer = completion::ask(call, &self.settings, &body, &mut self.secret)?;
        history.add(call, &self.settings, question, &answer)?;
        Ok(answer)
    }
}
