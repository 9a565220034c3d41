//! Paths inside a repository: bytes, as git has them.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A path relative to the top of a repository. Stored as text where it is UTF-8, else as
/// `{"bytes": "<hexadecimal>"}`, so that no name is lost or changed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoPath(Vec<u8>);

impl RepoPath {
    /// Wraps the bytes that git gave.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the last component.
    pub fn name(&self) -> &[u8] {
        self.0.rsplit(|&b| b == b'/').next().unwrap_or(&self.0)
    }

    /// Returns the text, if it is UTF-8.
    pub fn as_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

/// Escapes what could move a cursor, hide or reorder text on a terminal: control characters, bidirectional
/// marks, zero-width characters. Other text is returned as it is.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_treacherous) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_treacherous(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Whether a character could make a terminal show something else than is there.
pub fn is_treacherous(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{61c}'
            | '\u{2028}' | '\u{2029}')
}

/// Shown for people: text with treacherous characters escaped; bytes that are no UTF-8 as `\xNN`.
impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        for chunk in self.0.utf8_chunks() {
            out.push_str(&printable(chunk.valid()));
            for byte in chunk.invalid() {
                out.push_str(&format!("\\x{byte:02x}"));
            }
        }
        f.pad(&out)
    }
}

impl fmt::Debug for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<&str> for RepoPath {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Stored<'a> {
    Text(Cow<'a, str>),
    Bytes { bytes: String },
}

impl Serialize for RepoPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.as_text() {
            Some(text) => Stored::Text(Cow::Borrowed(text)),
            None => Stored::Bytes {
                bytes: self
                    .0
                    .iter()
                    .fold(String::new(), |text, b| text + &format!("{b:02x}")),
            },
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RepoPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Stored::deserialize(deserializer)? {
            Stored::Text(text) => Ok(Self(text.into_owned().into_bytes())),
            Stored::Bytes { bytes } => (0..bytes.len())
                .step_by(2)
                .map(|at| {
                    bytes
                        .get(at..at + 2)
                        .and_then(|pair| u8::from_str_radix(pair, 16).ok())
                })
                .collect::<Option<Vec<u8>>>()
                .map(Self)
                .ok_or_else(|| serde::de::Error::custom("a path's bytes are not hexadecimal")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_survives_storage() {
        for bytes in [&b"src/a.rs"[..], b"a\nb", b"\xff\xfe/x", "ä/ö".as_bytes()] {
            let path = RepoPath::new(bytes);
            let text = serde_json::to_string(&path).expect("serialises");
            assert_eq!(
                serde_json::from_str::<RepoPath>(&text).expect("reads back"),
                path
            );
        }
    }

    #[test]
    fn what_is_shown_cannot_move_the_cursor() {
        let shown = RepoPath::new(&b"a\x1b[2Jb\xff\xe2\x80\xae"[..]).to_string();
        assert_eq!(shown, "a\\u{1b}[2Jb\\xff\\u{202e}");
    }
}
