use super::*;
use crate::config::file::{Network, SandboxMode};
use crate::error::{ExitCode, code_of};
use crate::model::gate::PushWatch;
use crate::model::plan::Strategy;

fn repo(text: &str) -> Sources {
    Sources {
        repo: Some(("dynwf.toml".to_owned(), text.to_owned())),
        ..Sources::default()
    }
}

fn base(text: &str) -> Sources {
    Sources {
        base: Some(("dynwf.toml".to_owned(), text.to_owned())),
        ..repo(text)
    }
}

fn with_env(mut sources: Sources, pairs: &[(&str, &str)]) -> Sources {
    let pairs = pairs.iter().map(|&(k, v)| (k.to_owned(), v.to_owned()));
    sources.env = pairs.collect();
    sources
}

fn refusal(sources: &Sources) -> String {
    let error = Config::load(sources).expect_err("must be refused");
    assert_eq!(code_of(&error), ExitCode::Usage);
    error.to_string()
}

#[test]
fn nothing_configured_gives_the_defaults() {
    let config = Config::load(&Sources::default()).expect("defaults");
    assert_eq!(config.limits.concurrency, 4);
    assert_eq!(config.limits.minutes, 60);
    assert_eq!(config.sandbox.mode, SandboxMode::Auto);
    assert_eq!(config.gate.policy(), crate::model::gate::Policy::default());
    assert_eq!(config.gate.push, PushWatch::Workflow);
    assert_eq!(config.origin("limits.minutes"), Origin::Default);
    assert_eq!(
        config.agent_names(),
        ["claude", "codex", "command", "parent", "pi"]
    );
}

#[test]
fn the_first_source_that_says_something_counts() {
    let mut sources = repo("[limits]\nminutes = 2\nsilence = 2\noutput_mb = 2\n");
    sources.user = Some((
        "/home/p/config.toml".into(),
        "[limits]\nconcurrency = 1\nminutes = 1\nsilence = 1\noutput_mb = 1\n".to_owned(),
    ));
    sources = with_env(
        sources,
        &[
            ("DYNWF_CONFIG_LIMITS__SILENCE", "3"),
            ("DYNWF_CONFIG_LIMITS__OUTPUT_MB", "3"),
            ("DYNWF_PACKET", "x"),
        ],
    );
    sources.flags = BTreeMap::from([("limits.output_mb".to_owned(), "4".to_owned())]);
    let config = Config::load(&sources).expect("good");
    let limits = &config.limits;
    assert_eq!(
        [
            limits.concurrency,
            limits.minutes,
            limits.silence,
            limits.output_mb
        ],
        [1, 2, 3, 4]
    );
    assert_eq!(
        config.origin("limits.concurrency").to_string(),
        "/home/p/config.toml:2:1"
    );
    assert_eq!(
        config.origin("limits.minutes").to_string(),
        "dynwf.toml:2:1"
    );
    assert_eq!(
        config.origin("limits.silence").to_string(),
        "DYNWF_CONFIG_LIMITS__SILENCE"
    );
    assert_eq!(config.origin("limits.output_mb"), Origin::Flag);
}

#[test]
fn every_unknown_key_is_named_with_its_place_and_the_nearest_known_one() {
    let text = refusal(&repo(
        "[limit]\nminutes = 1\n[workspace]\nmin-free-gb = 2\n[agents.codex]\nmodle = \"x\"\n",
    ));
    for expected in [
        "dynwf.toml:1:2: unknown key `limit`; did you mean `limits`?",
        "dynwf.toml:4:1: unknown key `min-free-gb` in [workspace]; did you mean `min_free_gb`?",
        "dynwf.toml:6:1: unknown key `modle` in [agents.codex]; did you mean `model`?",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}

#[test]
fn wrong_types_words_and_numbers_are_refused_at_their_place() {
    let text = refusal(&repo(
        "[limits]\nminutes = \"1\"\nconcurrency = 0\n[sandbox]\nmode = \"bubblewarp\"\nread = \"x\"\n",
    ));
    for expected in [
        "dynwf.toml:2:11: `minutes` must be a whole number, not text",
        "dynwf.toml:3:15: `concurrency` must be at least 1",
        "dynwf.toml:5:8: `mode` must be one of auto, bubblewrap, none, not `bubblewarp`; did you mean `bubblewrap`?",
        "dynwf.toml:6:8: `read` must be a list, not text",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    assert!(
        refusal(&repo("x = = 1\n")).contains("dynwf.toml:1:"),
        "syntax"
    );
}

#[test]
fn the_environment_takes_text_numbers_lists_and_names_with_dashes() {
    let sources = with_env(
        repo("[agents.my-bot]\nadapter = \"command\"\n"),
        &[
            ("DYNWF_CONFIG_AGENTS__MY_BOT__RUN", "make x"),
            ("DYNWF_CONFIG_AGENTS__CODEX__MODEL", "5"),
            ("DYNWF_CONFIG_WORKSPACE__SETUP", "[\"a\", \"b\"]"),
            ("DYNWF_CONFIG_SANDBOX__NETWORK", "none"),
            ("DYNWF_CONFIG_SANDBOX__MODE", "none"),
            ("DYNWF_CONFIG_INTEGRATION__STRATEGY", "squash"),
        ],
    );
    let config = Config::load(&sources).expect("good");
    assert_eq!(config.agent("my-bot").run.as_deref(), Some("make x"));
    assert_eq!(config.adapter("my-bot"), "command");
    assert_eq!(config.agent("codex").model.as_deref(), Some("5"));
    assert_eq!(config.workspace.setup, ["a", "b"]);
    assert_eq!(config.sandbox.network, Network::None);
    assert_eq!(
        config.sandbox.mode,
        SandboxMode::None,
        "who starts dynwf may switch it off"
    );
    assert_eq!(config.integration.strategy, Some(Strategy::Squash));
    let text = refusal(&with_env(
        Sources::default(),
        &[
            ("DYNWF_CONFIG_LIMITS__MINUTE", "1"),
            ("DYNWF_CONFIG_LIMITS__MINUTES", "soon"),
            ("DYNWF_CONFIG_SANDBOX__READ", "/x"),
        ],
    ));
    for expected in [
        "DYNWF_CONFIG_LIMITS__MINUTE: unknown key `minute` in [limits]; did you mean `minutes`?",
        "DYNWF_CONFIG_LIMITS__MINUTES: `minutes` must be a whole number, not text",
        "DYNWF_CONFIG_SANDBOX__READ: `read` must be a list, not text",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}

#[test]
fn what_decides_about_trust_is_not_taken_from_a_work_tree() {
    let loose = "[gate]\nquorum = 3\nmax_files = 7\n[sandbox]\nmode = \"none\"\n[agents.pi]\nsandbox = \"none\"\n";
    let config = Config::load(&repo(loose)).expect("good");
    assert_eq!(config.gate.quorum, 1);
    assert_eq!(
        config.gate.max_files, 7,
        "thresholds are no matter of trust"
    );
    assert_eq!(config.sandbox.mode, SandboxMode::Auto);
    assert_eq!(config.agent("pi").sandbox, None);
    let places: Vec<String> = config
        .ignored
        .iter()
        .filter_map(|p| Some(p.place?.to_string()))
        .collect();
    assert_eq!(places, ["2:1", "5:1", "7:1"]);

    let config = Config::load(&base(loose)).expect("good");
    assert_eq!(
        (config.gate.quorum, config.sandbox.mode),
        (3, SandboxMode::None)
    );
    assert_eq!(config.ignored, []);

    // A packet cannot take out of the work tree's file what the base commit asks for.
    let mut removed = base(loose);
    removed.repo = Some(("dynwf.toml".to_owned(), String::new()));
    assert_eq!(Config::load(&removed).expect("good").gate.quorum, 3);

    let strict = Config::load(&repo("[sandbox]\nmode = \"bubblewrap\"\n")).expect("good");
    assert_eq!(
        strict.sandbox.mode,
        SandboxMode::Bubblewrap,
        "stricter is always welcome"
    );

    let text = refusal(&with_env(
        Sources::default(),
        &[("DYNWF_CONFIG_GATE__UNATTENDED", "true")],
    ));
    assert!(text.contains("decides about trust"), "{text}");
    let table = ("DYNWF_CONFIG_GATE", "{ quorum = 1, max_files = 3 }");
    let text = refusal(&with_env(Sources::default(), &[table]));
    assert!(text.contains("`gate.quorum` decides about trust"), "{text}");
    let opened = repo("[sandbox]\nwrite = [\"/\"]\nread = [\"/\"]\n");
    let config = Config::load(&opened).expect("good");
    assert_eq!(
        (
            config.sandbox.read.len(),
            config.sandbox.write.len(),
            config.ignored.len()
        ),
        (0, 0, 2)
    );

    let text = "[gate]\nunattended = false\nquorum = 2\n".to_owned();
    let own = Sources {
        user: Some(("/u".into(), text)),
        ..Sources::default()
    };
    let config = Config::load(&own).expect("good");
    assert_eq!((config.gate.unattended, config.gate.quorum), (false, 2));
}

#[test]
fn rules_over_several_keys_are_reported_where_the_value_stands() {
    for (text, expected) in [
        (
            "[agents.bot]\nmodel = \"x\"\n",
            "dynwf.toml:2:1: the agent `bot` needs an `adapter`",
        ),
        (
            "[agents.bot]\nadapter = \"codx\"\n",
            "dynwf.toml:2:1: no adapter is called `codx`; did you mean `codex`?",
        ),
        (
            "[agents.pi]\nrun = \"x\"\n",
            "dynwf.toml:2:1: `run` goes with the adapter `command`",
        ),
        (
            "[agents.\"A b\"]\nadapter = \"pi\"\n",
            "`A b` is no agent name",
        ),
        (
            "[workspace]\npath = \"../{repo}\"\n",
            "dynwf.toml:2:1: `path` needs {slug}",
        ),
        (
            "[workspace]\npath = \"{slug}/{pkt}\"\n",
            "dynwf.toml:2:1: `path` has `{pkt}`",
        ),
        (
            "[gate]\nprotected = [\"a\", \"/b\"]\n",
            "dynwf.toml:2:1: `/b`: the pattern is absolute",
        ),
        (
            "[[integration.rule]]\nfiles = [\"a\"]\nhow = \"run\"\n",
            "dynwf.toml:1:15: a rule has `run` exactly if",
        ),
    ] {
        let found = refusal(&repo(text));
        assert!(found.contains(expected), "{expected}\n{found}");
    }
}

#[test]
fn the_persons_file_follows_the_xdg_rules() {
    let env = |pairs: &[(&str, &str)]| with_env(Sources::default(), pairs).env;
    let home = env(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "relative")]);
    assert_eq!(
        user_file(&home),
        Some("/h/.config/dynwf/config.toml".into())
    );
    let xdg = env(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")]);
    assert_eq!(user_file(&xdg), Some("/x/dynwf/config.toml".into()));
    assert_eq!(user_file(&env(&[])), None);
}

#[test]
fn files_that_are_not_there_say_nothing() {
    let nowhere = BTreeMap::from([("HOME".to_owned(), "/dev/null".to_owned())]);
    assert!(Sources::read(nowhere, None).expect("read").user.is_none());
    let dir = tempfile::tempdir().expect("a folder");
    let env = BTreeMap::from([("HOME".to_owned(), dir.path().display().to_string())]);
    let sources = Sources::read(env.clone(), Some(dir.path())).expect("read");
    assert!(sources.user.is_none() && sources.repo.is_none());
    std::fs::write(dir.path().join("dynwf.toml"), "[limits]\nminutes = 9\n").expect("write");
    let sources = Sources::read(env, Some(dir.path())).expect("read");
    assert_eq!(Config::load(&sources).expect("good").limits.minutes, 9);
    std::fs::write(dir.path().join("dynwf.toml"), b"\xff").expect("write");
    let error = Sources::read(BTreeMap::new(), Some(dir.path())).expect_err("not UTF-8");
    assert_eq!(code_of(&error), ExitCode::Usage);
}
