//! The person's and the repository's git configuration, as the git program sees it.
//!
//! Asked of the program and not of libgit2, which knows neither `GIT_CONFIG_GLOBAL` nor all conditional
//! includes.

use std::collections::HashMap;

/// All settings; where one is given several times, the last counts.
pub(super) struct Settings(HashMap<String, Option<String>>);

impl Settings {
    /// Reads the answer of `git config -z --list`: `key LF value NUL`, without `LF value` for a bare key.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let entries = bytes.split(|&b| b == 0).filter(|entry| !entry.is_empty());
        Self(
            entries
                .map(|entry| {
                    let text = String::from_utf8_lossy(entry);
                    match text.split_once('\n') {
                        Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                        None => (text.into_owned(), None),
                    }
                })
                .collect(),
        )
    }

    /// Returns a setting's text. Section and name are in lower case, a subsection is as written.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.as_deref().filter(|text| !text.is_empty())
    }

    /// Returns whether a setting is on, by git's rules; what is no truth value counts as off.
    pub(super) fn flag(&self, key: &str) -> bool {
        match self.0.get(key) {
            None => false,
            Some(None) => true,
            Some(Some(text)) => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" => true,
                other => other.parse::<i64>().is_ok_and(|number| number != 0),
            },
        }
    }

    /// Lists the names of the configured remotes, sorted.
    pub(super) fn remotes(&self) -> Vec<&str> {
        let mut names: Vec<_> = self
            .0
            .keys()
            .filter_map(|key| key.strip_prefix("remote."))
            .filter_map(|rest| rest.strip_suffix(".url").or(rest.strip_suffix(".pushurl")))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::Settings;

    #[test]
    fn values_of_every_form_are_read() {
        let settings = Settings::parse(
            b"a.b\nc\0a.b\nlast\nline\0on.one\0on.two\nYes\0off.one\nno\0off.two\n0\0\
              remote.up.str/eam.url\nx\0remote.o.pushurl\ny\0remote.pushdefault\no\0",
        );
        assert_eq!(settings.text("a.b"), Some("last\nline"));
        assert!(settings.flag("on.one") && settings.flag("on.two"));
        assert!(!settings.flag("off.one") && !settings.flag("off.two") && !settings.flag("none"));
        assert_eq!(settings.remotes(), ["o", "up.str/eam"]);
    }
}
