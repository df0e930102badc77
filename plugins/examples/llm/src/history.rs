use sgs::json::{object, Json, Object};
use sgs::{Call, HostError};

use crate::settings::Settings;

/// The most bytes that the state takes for one key, and for a key itself.
const MAX_VALUE: usize = 1 << 20;
const MAX_KEY: usize = 512;

/// What was said in a channel, the oldest first. It is kept as JSON, so that an operator can read it.
pub struct History {
    /// Where it is kept; `None` where it is not kept at all.
    key: Option<String>,
    turns: Vec<Turn>,
}

struct Turn {
    question: String,
    answer: String,
}

impl Turn {
    /// The tokens that the model is given for it, estimated.
    fn tokens(&self) -> usize {
        (self.question.len() + 3) / 4 + (self.answer.len() + 3) / 4
    }

    fn write(&self, messages: &mut sgs::json::Array<'_>) {
        messages.object(|m| {
            m.text("role", "user").text("content", &self.question);
        });
        messages.object(|m| {
            m.text("role", "assistant").text("content", &self.answer);
        });
    }

    /// The bytes that it takes where it is kept.
    fn size(&self) -> usize {
        object(|o| {
            o.array("messages", |m| self.write(m));
        })
        .len()
    }
}

impl History {
    pub fn load(call: &Call, settings: &Settings) -> Result<History, HostError> {
        let key = format!("history:{}", call.message.channel_key);
        let kept = settings.history_tokens > 0 && !call.message.channel_key.is_empty() && key.len() <= MAX_KEY;
        let mut history = History { key: kept.then_some(key), turns: Vec::new() };
        if let Some(key) = &history.key {
            if let Some(value) = call.state.get(key)? {
                match turns(&value) {
                    Some(turns) => history.turns = turns,
                    None => sgs::warn("the channel's history is not what this plugin writes; it begins anew"),
                }
            }
        }
        history.fit(settings.history_tokens);
        Ok(history)
    }

    /// Writes the conversation as the API's messages.
    pub fn write(&self, messages: &mut sgs::json::Array<'_>) {
        self.turns.iter().for_each(|turn| turn.write(messages));
    }

    /// Adds a turn and has it kept, if the message is done.
    pub fn add(mut self, call: &Call, settings: &Settings, question: &str, answer: &str) -> Result<(), HostError> {
        let key = match &self.key {
            Some(key) => key.clone(),
            None => return Ok(()),
        };
        self.turns.push(Turn { question: question.into(), answer: answer.into() });
        self.fit(settings.history_tokens);
        if self.turns.is_empty() {
            return call.state.delete(key);
        }
        let write = |o: &mut Object<'_>| {
            o.array("messages", |m| self.write(m));
        };
        match settings.history_ttl {
            ttl if ttl.is_zero() => call.state.set(key, object(write)),
            ttl => call.state.set_for(key, object(write), ttl),
        }
    }

    /// fit drops the oldest turns until the others fit the budget and the state.
    fn fit(&mut self, budget: usize) {
        let (mut tokens, mut bytes, mut fitting) = (0, 0, 0);
        for turn in self.turns.iter().rev() {
            tokens += turn.tokens();
            bytes += turn.size();
            if tokens > budget || bytes > MAX_VALUE {
                break;
            }
            fitting += 1;
        }
        self.turns.drain(..self.turns.len() - fitting);
    }
}

/// turns reads what write has written.
fn turns(value: &[u8]) -> Option<Vec<Turn>> {
    let json = Json::read(std::str::from_utf8(value).ok()?).ok()?;
    let said = |message: &Json<'_>, role| match message.text("role") == role {
        true => Some(message.get("content")?.as_str()?.to_string()),
        false => None,
    };
    json.get("messages")?
        .items()
        .chunks(2)
        .map(|pair| Some(Turn { question: said(&pair[0], "user")?, answer: said(pair.get(1)?, "assistant")? }))
        .collect()
}
