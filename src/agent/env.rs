//! The environment of a unit: an allow-list, so that nothing of the caller's leaks into an agent by accident.
//!
//! Invariants: keys of model services and variables that point git at a repository come through only by name
//! (the latter never); PATH has no relative entries, which would find programs that a packet wrote. Used for
//! agents, checks and setup commands alike; called by `runner`.

use std::collections::BTreeMap;
use std::ffi::OsString;

use crate::config::AgentConfig;

/// What every unit gets if the caller has it. `LC_*` comes on top.
const ALLOWED: [&str; 7] = ["HOME", "LANG", "PATH", "SHELL", "TERM", "TMPDIR", "USER"];

/// Where programs are looked for if the caller has no PATH.
const PLAIN_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Returns the environment of a unit. Later ones win: what is allowed of the `caller`'s variables, the names in
/// `pass_env`, what the `client` needs ([`super::Launch::env`]), the table's `env`, and what the unit is `told`
/// (`DYNWF_*`). Values that are not UTF-8 are left out.
pub fn unit_environment(
    caller: impl IntoIterator<Item = (OsString, OsString)>,
    config: &AgentConfig,
    client: &BTreeMap<String, String>,
    told: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut env: BTreeMap<String, String> = caller
        .into_iter()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| is_allowed(name) || is_passed(name, &config.pass_env))
        .filter(|(name, _)| !is_dynwfs(name))
        .collect();
    env.extend(client.clone());
    env.extend(
        config
            .env
            .iter()
            .filter(|(name, _)| !is_dynwfs(name))
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    env.retain(|name, _| !moves_git(name));
    let path = env.get("PATH").map_or(PLAIN_PATH, String::as_str);
    let path = absolute_entries(path);
    env.insert("PATH".to_owned(), path);
    env.extend(told.clone());
    env
}

fn is_allowed(name: &str) -> bool {
    ALLOWED.contains(&name) || name.starts_with("LC_")
}

fn is_passed(name: &str, patterns: &[String]) -> bool {
    patterns
        .iter()
        .any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == pattern,
        })
}

/// Ours to tell, not the caller's to hand down.
fn is_dynwfs(name: &str) -> bool {
    name.starts_with("DYNWF_")
}

/// Whether git would look elsewhere, or run something, because of the variable.
fn moves_git(name: &str) -> bool {
    name.starts_with("GIT_")
        && !name.starts_with("GIT_AUTHOR_")
        && !name.starts_with("GIT_COMMITTER_")
}

fn absolute_entries(path: &str) -> String {
    let entries: Vec<&str> = path
        .split(':')
        .filter(|entry| entry.starts_with('/'))
        .collect();
    if entries.is_empty() {
        PLAIN_PATH.to_owned()
    } else {
        entries.join(":")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    fn caller(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        pairs
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    }

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|&(name, value)| (name.into(), value.into()))
            .collect()
    }

    #[test]
    fn only_what_is_named_comes_through() {
        let caller = caller(&[
            ("PATH", "bin:/usr/bin::./x:/bin"),
            ("HOME", "/home/u"),
            ("LC_ALL", "C"),
            ("EDITOR", "vi"),
            ("OPENAI_API_KEY", "k"),
            ("ANTHROPIC_API_KEY", "a"),
            ("MY_A", "1"),
            ("MY_B", "2"),
            ("GIT_DIR", "/r/.git"),
            ("GIT_AUTHOR_NAME", "A"),
            ("DYNWF_PACKET", "old"),
            ("SSH_AUTH_SOCK", "/s"),
            ("CLAUDECODE", "1"),
        ]);
        let config = AgentConfig {
            pass_env: ["OPENAI_API_KEY", "MY_*", "GIT_*", "DYNWF_*"]
                .map(String::from)
                .to_vec(),
            env: map(&[
                ("SET", "1"),
                ("CLIENT", "mine"),
                ("DYNWF_GATE", "no"),
                ("GIT_SSH_COMMAND", "x"),
            ]),
            ..AgentConfig::default()
        };
        let env = unit_environment(
            caller,
            &config,
            &map(&[("CLIENT", "own"), ("QUIET", "1")]),
            &map(&[("DYNWF_PACKET", "01-net")]),
        );
        let wanted = map(&[
            ("PATH", "/usr/bin:/bin"),
            ("HOME", "/home/u"),
            ("LC_ALL", "C"),
            ("OPENAI_API_KEY", "k"),
            ("MY_A", "1"),
            ("MY_B", "2"),
            ("GIT_AUTHOR_NAME", "A"),
            ("SET", "1"),
            ("CLIENT", "mine"),
            ("QUIET", "1"),
            ("DYNWF_PACKET", "01-net"),
        ]);
        assert_eq!(env, wanted);
    }

    #[test]
    fn there_is_always_a_path_and_only_text() {
        let caller = vec![(OsString::from("LANG"), OsString::from_vec(vec![0xff]))];
        let none = BTreeMap::new();
        let env = unit_environment(caller, &AgentConfig::default(), &none, &none);
        assert_eq!(env, map(&[("PATH", PLAIN_PATH)]));
    }
}
