//! What is started for a call, adapter by adapter.

use std::path::Path;

use serde_json::json;

use super::{Call, Launch, for_name};
use crate::config::{AgentConfig, Network};

fn call<'a>(config: &'a AgentConfig, prompt: &'a str) -> Call<'a> {
    Call {
        config,
        program: None,
        prompt,
        prompt_file: Path::new("/r/.git/dynwf/u/1/io/prompt.md"),
        result_file: Path::new("/r/.git/dynwf/u/1/io/result"),
        schema_file: None,
        workspace: Path::new("/w"),
        session: None,
        run: None,
        sandboxed: true,
    }
}

fn launch(agent: &str, call: &Call<'_>) -> Launch {
    let agent = for_name(agent, &AgentConfig::default()).unwrap();
    agent.argv(call).unwrap()
}

/// The arguments as one line, without the prompt.
fn line(agent: &str, call: &Call<'_>) -> String {
    let argv = launch(agent, call).argv;
    assert_eq!(argv.last().unwrap(), call.prompt);
    argv[..argv.len() - 1].join(" ")
}

fn configured() -> AgentConfig {
    AgentConfig {
        program: Some("/opt/x".into()),
        args: vec!["--more".into(), "1".into()],
        model: Some("m".into()),
        effort: Some("high".into()),
        config_dir: Some("/c".into()),
        ..AgentConfig::default()
    }
}

#[test]
fn plain_calls() {
    let config = AgentConfig::default();
    let call = call(&config, "- do it");
    assert_eq!(
        line("codex", &call),
        "codex exec --json --skip-git-repo-check --dangerously-bypass-approvals-and-sandbox --"
    );
    assert_eq!(
        line("claude", &call),
        "claude -p --output-format stream-json --verbose --dangerously-skip-permissions --"
    );
    assert_eq!(line("pi", &call), "pi -p --mode json --");
}

#[test]
fn configured_calls_that_go_on() {
    let config = configured();
    let call = Call {
        session: Some("s-1"),
        ..call(&config, "go on")
    };
    assert_eq!(
        line("codex", &call),
        "/opt/x exec resume --json --skip-git-repo-check --dangerously-bypass-approvals-and-sandbox \
         -m m -c model_reasoning_effort=\"high\" --more 1 -- s-1"
    );
    assert_eq!(
        line("claude", &call),
        "/opt/x -p --output-format stream-json --verbose --dangerously-skip-permissions --resume s-1 \
         --model m --effort high --more 1 --"
    );
    assert_eq!(
        line("pi", &call),
        "/opt/x -p --mode json --session s-1 --model m --thinking high --more 1 --"
    );
    for (agent, variable) in [
        ("codex", "CODEX_HOME"),
        ("claude", "CLAUDE_CONFIG_DIR"),
        ("pi", "PI_CODING_AGENT_DIR"),
    ] {
        assert_eq!(launch(agent, &call).env[variable], "/c", "{agent}");
    }
    let found = Call {
        program: Some(Path::new("/found/it")),
        ..call
    };
    assert_eq!(launch("pi", &found).argv[0], "/found/it");
}

#[test]
fn without_our_sandbox_the_clients_keep_theirs() {
    let mut config = AgentConfig::default();
    let open = |config: &AgentConfig, agent: &str| {
        let call = Call {
            sandboxed: false,
            ..call(config, "x")
        };
        (line(agent, &call), launch(agent, &call).env)
    };
    let (codex, _) = open(&config, "codex");
    assert!(codex.contains("sandbox_mode=\"workspace-write\""));
    assert!(codex.contains("network_access=true"));
    let (claude, env) = open(&config, "claude");
    assert!(claude.contains("--permission-mode acceptEdits"));
    assert!(!claude.contains("dangerously") && !env.contains_key("IS_SANDBOX"));
    config.network = Some(Network::None);
    assert!(!open(&config, "codex").0.contains("network_access"));
}

#[test]
fn a_schema_travels_by_the_clients_own_way_if_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let (strict, loose) = (dir.path().join("strict"), dir.path().join("loose"));
    let closed = json!({"type": "object", "additionalProperties": false,
                        "required": ["a"], "properties": {"a": {"type": "string"}}});
    std::fs::write(&strict, closed.to_string()).unwrap();
    std::fs::write(&loose, "{\"type\": \"object\"}").unwrap();
    let config = AgentConfig::default();
    let with = |agent, file| {
        let call = Call {
            schema_file: Some(file),
            ..call(&config, "x")
        };
        line(agent, &call)
    };
    assert!(with("codex", &strict).contains(&format!("--output-schema {}", strict.display())));
    assert!(!with("codex", &loose).contains("--output-schema"));
    assert!(with("claude", &loose).contains("--json-schema {\"type\":\"object\"}"));
    assert_eq!(with("pi", &loose), "pi -p --mode json --");
    let missing = Call {
        schema_file: Some(Path::new("/no/schema")),
        ..call(&config, "x")
    };
    let claude = for_name("claude", &config).unwrap();
    let error = claude.argv(&missing).unwrap_err();
    assert!(error.to_string().contains("/no/schema"), "{error}");
}

#[test]
fn a_prompt_that_is_no_argument_is_named_by_its_variable() {
    let config = AgentConfig::default();
    let long = "x".repeat(200_000);
    for agent in ["codex", "claude", "pi"] {
        let argv = launch(agent, &call(&config, &long)).argv;
        let prompt = argv.last().unwrap();
        assert!(prompt.contains("DYNWF_PROMPT_FILE"), "{prompt}");
        assert!(
            !argv.iter().any(|part| part.contains("/r/.git")),
            "{argv:?}"
        );
    }
    let argv = launch("pi", &call(&config, "@docs/a.md says")).argv;
    assert_eq!(argv.last().unwrap(), "\n@docs/a.md says");
}

#[test]
fn parent_work_is_never_launched() {
    let config = AgentConfig::default();
    let parent = for_name("parent", &config).unwrap();
    let error = parent.argv(&call(&config, "x")).unwrap_err();
    assert!(
        crate::error::hint_of(&error)
            .unwrap()
            .contains("packet next")
    );
}
