use std::time::Duration;

use sgs::json::{object, Json};
use sgs::{Call, Errno, Request, Response};

use crate::failure::{of_event, of_status, Failure};
use crate::history::History;
use crate::settings::Settings;

/// The id of the secret that holds the API's key.
const SECRET: &str = "api-key";

/// body is what the API is asked.
pub fn body(settings: &Settings, history: &History, question: &str) -> String {
    object(|o| {
        o.text("model", &settings.model).bool("stream", true).array("messages", |messages| {
            if !settings.system_prompt.is_empty() {
                messages.object(|m| {
                    m.text("role", "system").text("content", &settings.system_prompt);
                });
            }
            history.write(messages);
            messages.object(|m| {
                m.text("role", "user").text("content", question);
            });
        });
        if let Some(temperature) = settings.temperature {
            o.float("temperature", temperature);
        }
        if let Some(max_tokens) = settings.max_tokens {
            o.int("max_tokens", max_tokens);
        }
    })
}

/// ask sends a body to the API and reads the answer as it arrives. `secret` tells whether the operator grants the key,
/// as far as this instance knows.
pub fn ask(call: &Call, settings: &Settings, body: &str, secret: &mut bool) -> Result<String, Failure> {
    let request = || {
        Request::post(&settings.url, body)
            .header("Content-Type", "application/json")
            .header("Accept", "text/event-stream")
            .timeout(patience(call.time_left()))
    };
    if *secret {
        match call.send(&request().secret(SECRET)) {
            // There may be no such secret. If it is something else that is denied, it is without the secret, too.
            Err(e) if e.errno == Errno::DENIED => *secret = false,
            response => return read(&mut response?),
        }
    }
    read(&mut call.send(&request())?)
}

/// patience is the time for the request: what is left of the call, and not quite all of it. Something has to be left in
/// which to say that there was no answer.
fn patience(left: Duration) -> Duration {
    left - (left / 10).min(Duration::from_secs(2))
}

fn read(response: &mut Response<'_>) -> Result<String, Failure> {
    if !(200..300).contains(&response.status) {
        return Err(of_status(response));
    }
    let mut events = response.events();
    let (mut answer, mut finish) = (String::new(), String::new());
    loop {
        let event = match events.next_event() {
            Ok(Some(event)) if event.data == "[DONE]" => break,
            Ok(Some(event)) => event,
            Ok(None) | Err(_) if !finish.is_empty() => break, // only [DONE] can be missing
            Ok(None) => return Err(Failure::again("the API's answer ended too soon")),
            Err(e) => return Err(e.into()),
        };
        let json = Json::read(event.data).map_err(|e| Failure::again(format!("the API's answer is {}", e)))?;
        if event.event == "error" || !matches!(json.get("error"), None | Some(Json::Null)) {
            return Err(of_event(&json));
        }
        // The last event of some APIs has no choice, but the tokens that were used.
        if let Some(choice) = json.get("choices").and_then(|choices| choices.at(0)) {
            if let Some(delta) = choice.get("delta") {
                answer.push_str(delta.text("content"));
                answer.push_str(delta.text("refusal"));
            }
            if !choice.text("finish_reason").is_empty() {
                finish = choice.text("finish_reason").to_string();
            }
        }
    }
    match finish.as_str() {
        "content_filter" => Err(Failure::Never { why: "the API's content filter withheld the answer".into() }),
        "error" => Err(Failure::again("the API broke its answer off")),
        _ if answer.trim().is_empty() => Err(Failure::again("the API's answer is empty")),
        _ => Ok(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_is_left_of_the_call() {
        assert_eq!(patience(Duration::from_secs(120)), Duration::from_secs(118));
        assert_eq!(patience(Duration::from_secs(1)), Duration::from_millis(900));
        assert_eq!(patience(Duration::ZERO), Duration::ZERO);
    }
}
