//! Lines that look as if they held a secret.
//!
//! A guess for a person to look at, never a proof: known shapes of keys and tokens, and random-looking text
//! beside a telling word. Only the kind is returned, so that the secret itself gets into no journal.

/// Words beside which random-looking text is suspicious (compared in lower case).
const TELLING: [&str; 7] = [
    "token",
    "secret",
    "password",
    "passwd",
    "api_key",
    "apikey",
    "private_key",
];

/// Known prefixes: the prefix, how many characters of `[A-Za-z0-9_-]` must follow at least, what it is.
const SHAPES: [(&str, usize, &str); 15] = [
    ("AKIA", 16, "an AWS access key"),
    ("ASIA", 16, "an AWS access key"),
    ("ghp_", 30, "a GitHub token"),
    ("gho_", 30, "a GitHub token"),
    ("ghu_", 30, "a GitHub token"),
    ("ghs_", 30, "a GitHub token"),
    ("ghr_", 30, "a GitHub token"),
    ("github_pat_", 30, "a GitHub token"),
    ("glpat-", 20, "a GitLab token"),
    ("xoxb-", 20, "a Slack token"),
    ("xoxp-", 20, "a Slack token"),
    ("AIza", 35, "a Google API key"),
    ("npm_", 36, "an npm token"),
    ("sk-ant-", 20, "an API key"),
    ("sk_live_", 20, "an API key"),
];

/// Returns what a line looks like, if it looks like it holds a secret.
pub(super) fn looks_like(line: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(line);
    if text.contains("-----BEGIN ") && text.contains("PRIVATE KEY") {
        return Some("a private key");
    }
    if let Some(kind) = SHAPES
        .iter()
        .find(|(prefix, length, _)| has_shape(&text, prefix, *length))
        .map(|(_, _, kind)| *kind)
    {
        return Some(kind);
    }
    let lower = text.to_lowercase();
    (TELLING.iter().any(|word| lower.contains(word)) && words(&text).any(is_random))
        .then_some("a password or token")
}

fn has_shape(text: &str, prefix: &str, length: usize) -> bool {
    text.match_indices(prefix).any(|(at, _)| {
        let fresh = text[..at]
            .chars()
            .next_back()
            .is_none_or(|c| !c.is_alphanumeric());
        let rest = text[at + prefix.len()..]
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
            .count();
        fresh && rest >= length
    })
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '/' | '=')))
}

/// Whether a word looks as if a machine had drawn it: long, letters and digits mixed, and about as many
/// different characters as chance gives. Paths and identifiers are not: they have few digits.
fn is_random(word: &str) -> bool {
    const MIN_LENGTH: usize = 20;
    const MIN_BITS: f64 = 3.5;
    let word = word.trim_matches('=');
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let letters = word.bytes().filter(u8::is_ascii_alphabetic).count();
    word.len() >= MIN_LENGTH && digits >= 3 && letters >= 3 && bits_per_byte(word) >= MIN_BITS
}

fn bits_per_byte(word: &str) -> f64 {
    let mut seen = [0_u32; 256];
    for byte in word.bytes() {
        seen[usize::from(byte)] += 1;
    }
    let length = f64::from(u32::try_from(word.len()).unwrap_or(u32::MAX));
    seen.iter()
        .filter(|&&count| count > 0)
        .map(|&count| {
            let share = f64::from(count) / length;
            -share * share.log2()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_shapes_are_named() {
        // Put together here, so that no scanner takes this file for a leak.
        let cases = [
            (
                format!("{}BEGIN RSA PRIVATE KEY-----", "-----"),
                "a private key",
            ),
            (
                format!("key = {}IOSFODNN7EXAMPLE", "AKIA"),
                "an AWS access key",
            ),
            (
                format!("url: https://x:{}{}@h", "ghp_", "a1B2".repeat(9)),
                "a GitHub token",
            ),
            (
                format!("DB_PASSWORD={}", "x9Kq2Lm8Vz4Rt6Yp1Wn3"),
                "a password or token",
            ),
        ];
        for (line, kind) in cases {
            assert_eq!(looks_like(line.as_bytes()), Some(kind), "{line}");
        }
    }

    #[test]
    fn ordinary_code_is_left_alone() {
        for line in [
            "let token = self.next_token_from_the_stream();",
            "use crate::parser::token::{SecretKeeper, TokenStreamWithManyWords};",
            "checksum = \"2dd04ddaf88237dc3b8d8f9a3c1004b506b54b3313403944054d23c0870c521b\"",
            "password: String,",
            "\"path/to/secret/module/with/a/long/name.rs\"",
            "xAKIAIOSFODNN7EXAMPLE",
            "ghp_short",
        ] {
            assert_eq!(looks_like(line.as_bytes()), None, "{line}");
        }
    }
}
