//! The real clients: where they are, and how a person would set them up for a model on loopback.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

/// The key that the clients show the model.
pub(crate) const KEY: &str = "a-scripted-key";

/// A client that is installed.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) name: &'static str,
    program: String,
}

/// The clients whose programs the environment names, and the variables that name none.
pub(crate) fn clients() -> (Vec<Client>, Vec<&'static str>) {
    let (mut there, mut absent) = (Vec::new(), Vec::new());
    for (name, variable) in [
        ("codex", "DYNWF_CODEX_BIN"),
        ("claude", "DYNWF_CLAUDE_BIN"),
        ("pi", "DYNWF_PI_BIN"),
    ] {
        match std::env::var(variable) {
            Ok(program) if !program.is_empty() => there.push(Client { name, program }),
            _ => absent.push(variable),
        }
    }
    (there, absent)
}

/// A model, arguments and variables.
type Settings = (&'static str, Vec<String>, Vec<(&'static str, String)>);

impl Client {
    /// The client's table in a person's configuration, for the model at `url`; `home` becomes the client's own folder.
    pub(crate) fn table(&self, home: &Path, url: &str) -> String {
        fs::create_dir(home).expect("the client's folder can be made");
        let (model, args, env) = match self.name {
            "codex" => codex(home, url),
            "claude" => claude(url),
            _ => pi(home, url),
        };
        let env: Vec<String> = env
            .into_iter()
            .map(|(name, value)| format!("{name} = {}", json!(value)))
            .collect();
        format!(
            "[agents.{}]\nprogram = {}\nconfig_dir = {}\nmodel = \"{model}\"\nargs = {}\nenv = {{ {} }}\n",
            self.name,
            json!(self.program),
            json!(home),
            Value::from(args),
            env.join(", ")
        )
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn codex(home: &Path, url: &str) -> Settings {
    let provider = format!(
        "model_providers.scripted={{name=\"scripted\",base_url=\"{url}/v1\",wire_api=\"responses\",\
         env_key=\"SCRIPTED_KEY\",request_max_retries=2,stream_max_retries=2}}"
    );
    let temporary = home.with_extension("temporary");
    fs::create_dir(&temporary).expect("the folder can be made");
    (
        "gpt-5.5",
        words(&["-c", &provider, "-c", "model_provider=\"scripted\""]),
        vec![
            ("SCRIPTED_KEY", KEY.to_owned()),
            // Its own sandbox needs a helper, which it does not put below the folder for temporary files.
            ("TMPDIR", temporary.display().to_string()),
        ],
    )
}

fn claude(url: &str) -> Settings {
    (
        "claude-sonnet-4-5",
        // Where no sandbox is around it, commands need a permission.
        words(&["--allowedTools", "Bash"]),
        vec![
            ("ANTHROPIC_BASE_URL", url.to_owned()),
            ("ANTHROPIC_API_KEY", KEY.to_owned()),
            ("CLAUDE_CODE_MAX_RETRIES", "2".to_owned()),
        ],
    )
}

fn pi(home: &Path, url: &str) -> Settings {
    let models = json!({"providers": {"scripted": {
        "baseUrl": format!("{url}/v1"), "api": "openai-completions", "apiKey": KEY,
        "models": [{"id": "scripted-model", "contextWindow": 128_000, "maxTokens": 8000,
            "cost": {"input": 1, "output": 2, "cacheRead": 0, "cacheWrite": 0}}]}}});
    let settings = json!({"retry": {"enabled": true, "maxRetries": 2, "baseDelayMs": 50}});
    for (name, value) in [("models.json", models), ("settings.json", settings)] {
        fs::write(home.join(name), value.to_string()).expect("a setting can be written");
    }
    let machine = std::env::var("PATH").unwrap_or_default();
    let path = match std::env::var("DYNWF_NODE_BIN") {
        Ok(node) => format!("{node}:{machine}"),
        Err(_) => machine,
    };
    (
        "scripted-model",
        words(&["--provider", "scripted"]),
        vec![
            ("PATH", path),
            ("PI_OFFLINE", "1".to_owned()),
            ("PI_TELEMETRY", "0".to_owned()),
        ],
    )
}
