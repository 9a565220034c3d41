//! Names and ids as types, checked where they enter.
//!
//! A value of one of these types is well-formed: constructors and deserialisation refuse everything else, so
//! no other module checks again. Object ids are plain hexadecimal text, because libgit2 does not know them all
//! (SHA-256).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a name or an id was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadName {
    /// What was given.
    pub given: String,
    /// What it should have been.
    pub expected: &'static str,
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not {}",
            self.given.escape_debug(),
            self.expected
        )
    }
}

impl std::error::Error for BadName {}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $expected:expr, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(BadName { given: text.chars().take(200).collect(), expected: $expected })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;
            fn try_from(text: String) -> Result<Self, BadName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

const SLUG: &str = "a name of 1 to 64 characters a-z, 0-9 and -, not starting with -";

text_id! {
    /// The name of a workflow: `[a-z0-9][a-z0-9-]{0,63}`.
    Slug, SLUG, is_slug
}

text_id! {
    /// The name of a packet: as a [`Slug`], but not `integration`, which names the branch that packets are
    /// merged on.
    PacketId,
    "a packet id: 1 to 64 characters a-z, 0-9 and -, not starting with -, and not `integration`",
    |text| is_slug(text) && text != "integration"
}

text_id! {
    /// The id of a commit, in full and in lower case (40 or 64 hexadecimal digits).
    CommitId, "a full object id", is_object_id
}

text_id! {
    /// The id of a tree, in full and in lower case.
    TreeId, "a full object id", is_object_id
}

text_id! {
    /// A full ref name (`refs/heads/main`); short names never reach git.
    RefName, "a full ref name such as refs/heads/main", is_ref_name
}

text_id! {
    /// The id of a gate, which is what `dynwf approve` takes: `merge:03-cli`, `packet:02-db`, `integrate`,
    /// `land`, `push:origin`.
    GateId, "a gate id such as merge:03-cli, land or push:origin", |text| {
        !text.is_empty() && text.len() <= 300 && text.chars().all(|c| !c.is_control() && !c.is_whitespace())
    }
}

text_id! {
    /// The id of a request in the inbox: the name of its file without the ending.
    RequestId, "a request id", |text| {
        !text.is_empty()
            && text.len() <= 100
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    }
}

/// A unit's number, counted up in each workflow's journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UnitId(pub u64);

/// An effect's number: the sequence number of the `OpBegan` record that announced it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OpId(pub u64);

impl fmt::Display for UnitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl CommitId {
    /// Returns the first twelve digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl TreeId {
    /// Returns the first twelve digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl Slug {
    /// Returns the branch of a packet: `refs/heads/dynwf/<slug>/<packet>`.
    pub fn branch(&self, packet: &PacketId) -> RefName {
        RefName(format!("refs/heads/dynwf/{self}/{packet}"))
    }

    /// Returns the branch that packets are merged on.
    pub fn integration_branch(&self) -> RefName {
        RefName(format!("refs/heads/dynwf/{self}/integration"))
    }

    /// Returns the ref that keeps what a packet started from.
    pub fn base_pin(&self, packet: &PacketId) -> RefName {
        RefName(format!("refs/dynwf/w/{self}/base/{packet}"))
    }

    /// Returns the ref that keeps the tip of one attempt.
    pub fn tip_pin(&self, packet: &PacketId, attempt: u32) -> RefName {
        RefName(format!("refs/dynwf/w/{self}/tip/{packet}/{attempt}"))
    }

    /// Returns the ref that keeps where a branch stood before it was put together again; `name` is a packet id or
    /// `integration`.
    pub fn before(&self, name: &str, commit: &CommitId) -> RefName {
        RefName(format!(
            "refs/dynwf/w/{self}/before/{name}/{}",
            commit.short()
        ))
    }

    /// Returns the ref that keeps a branch of an archived workflow; `name` is a packet id or `integration`.
    pub fn archived(&self, name: &str) -> RefName {
        RefName(format!("refs/dynwf/w/{self}/branch/{name}"))
    }

    /// Returns the ref that keeps the commits which a worker made by itself; `stamp` as for [`Slug::rescue`].
    pub fn made(&self, name: &str, stamp: &str) -> RefName {
        RefName(format!("refs/dynwf/w/{self}/made/{name}/{stamp}"))
    }

    /// Returns the ref for something that would otherwise be lost; `stamp` is a compact time and must be a
    /// valid ref component.
    pub fn rescue(&self, name: &str, stamp: &str) -> RefName {
        RefName(format!("refs/dynwf/rescue/{self}/{name}/{stamp}"))
    }
}

impl RefName {
    /// Returns the name as people write it: without `refs/heads/` (or `refs/` for other refs).
    pub fn short(&self) -> &str {
        self.0
            .strip_prefix("refs/heads/")
            .or_else(|| self.0.strip_prefix("refs/"))
            .unwrap_or(&self.0)
    }

    /// Returns the full name of a branch.
    ///
    /// # Errors
    /// If git would refuse the name.
    pub fn of_branch(short: &str) -> Result<Self, BadName> {
        format!("refs/heads/{short}").parse()
    }
}

impl GateId {
    /// The gate before a packet's work is merged.
    pub fn merge(packet: &PacketId) -> Self {
        Self(format!("merge:{packet}"))
    }

    /// The gate before a packet is merged although the result lacks something of a side's change.
    pub fn risk(packet: &PacketId) -> Self {
        Self(format!("risk:{packet}"))
    }

    /// The gate before a packet starts, asked for by the plan.
    pub fn packet(packet: &PacketId) -> Self {
        Self(format!("packet:{packet}"))
    }

    /// The gate before anything is merged, asked for by the plan.
    pub fn integrate() -> Self {
        Self("integrate".to_owned())
    }

    /// The gate before the target branch moves.
    pub fn land() -> Self {
        Self("land".to_owned())
    }

    /// The gate before something is sent to a remote.
    ///
    /// # Errors
    /// If the remote's name holds characters that no gate id may hold.
    pub fn push(remote: &str) -> Result<Self, BadName> {
        format!("push:{remote}").parse()
    }
}

fn is_slug(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && !text.starts_with('-')
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_object_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64)
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// The rules of `git check-ref-format`, for a name below `refs/`.
fn is_ref_name(text: &str) -> bool {
    text.starts_with("refs/")
        && text.len() <= 1000
        && !text.ends_with('.')
        && !text.contains("..")
        && !text.contains("@{")
        && text.split('/').all(|part| {
            !part.is_empty() && !part.starts_with('.') && part.strip_suffix(".lock").is_none()
        })
        && text
            .chars()
            .all(|c| !c.is_control() && !" ~^:?*[\\".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_checked_where_they_enter() {
        for good in ["a", "0", "refactor", "split-by-crate", &"a".repeat(64)] {
            assert!(good.parse::<Slug>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "A", "a_b", "a/b", "ä", "a b", &"a".repeat(65)] {
            assert!(bad.parse::<Slug>().is_err(), "{bad}");
        }
        assert!("integration".parse::<PacketId>().is_err());
        assert!("integration".parse::<Slug>().is_ok());
    }

    #[test]
    fn ref_names_follow_git() {
        for good in [
            "refs/heads/main",
            "refs/heads/a/b.c",
            "refs/dynwf/w/x/tip/01-a/1",
        ] {
            assert!(good.parse::<RefName>().is_ok(), "{good}");
        }
        for bad in [
            "main",
            "refs/heads/",
            "refs/heads//a",
            "refs/heads/.a",
            "refs/heads/a.lock",
            "refs/heads/a..b",
            "refs/heads/a b",
            "refs/heads/a^",
            "refs/heads/@{x",
            "refs/heads/a.",
        ] {
            assert!(bad.parse::<RefName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_survive_json_and_refuse_what_is_no_id() {
        let id: CommitId = "0123456789abcdef0123456789abcdef01234567"
            .parse()
            .expect("well-formed");
        let text = serde_json::to_string(&id).expect("serialises");
        assert_eq!(
            serde_json::from_str::<CommitId>(&text).expect("reads back"),
            id
        );
        assert!(serde_json::from_str::<CommitId>("\"0123\"").is_err());
    }
}
