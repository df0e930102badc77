use std::time::Duration;

use sgs::{Refusal, Value};

/// The plugin's configuration. The manifest's schema says what each is for, and has been looked at by the daemon.
pub struct Settings {
    pub url: String,
    pub model: String,
    pub system_prompt: String,
    pub temperature: Option<f64>,
    pub max_tokens: Option<i64>,
    pub history_tokens: usize,
    /// Zero keeps a conversation for ever.
    pub history_ttl: Duration,
    pub refusal_text: String,
    pub only_addressed: bool,
    pub max_attempts: u64,
}

impl Settings {
    pub fn read(config: Value<'_>) -> Result<Settings, Refusal> {
        let text = |key, or: &str| config.get(key).and_then(Value::as_str).unwrap_or(or).to_string();
        let base = text("base_url", "https://api.openai.com/v1");
        let model = text("model", "");
        if model.is_empty() {
            return Err("model is not set; write the name of a model that the API at base_url has".into());
        }
        let ttl = text("history_ttl", "24h");
        Ok(Settings {
            url: format!("{}/chat/completions", base.trim_end_matches('/')),
            model,
            system_prompt: text("system_prompt", ""),
            temperature: config.get("temperature").and_then(Value::as_f64),
            max_tokens: config.get("max_tokens").and_then(Value::as_i64),
            history_tokens: config.get("history_tokens").and_then(Value::as_u64).unwrap_or(4000) as usize,
            history_ttl: duration(&ttl).ok_or_else(|| {
                format!("history_ttl is {:?}; write a whole number and s, m, h or d, at most 3650d, such as \"24h\"", ttl)
            })?,
            refusal_text: text("refusal_text", "Sorry, I can't answer that right now."),
            only_addressed: config.get("only_addressed").and_then(Value::as_bool).unwrap_or(true),
            max_attempts: config.get("max_attempts").and_then(Value::as_u64).unwrap_or(3),
        })
    }
}

fn duration(text: &str) -> Option<Duration> {
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86400,
        _ => return None,
    };
    let seconds = text[..text.len() - 1].parse::<u64>().ok()?.checked_mul(unit)?;
    // The state's own limit.
    (seconds <= 3650 * 86400).then(|| Duration::from_secs(seconds))
}
