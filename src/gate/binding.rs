//! What an approval of each kind is bound to.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

use super::policy::digest;
use crate::model::gate::{Binding, Policy};
use crate::model::id::{CommitId, PacketId, RefName, Slug};
use crate::model::op::RefUpdate;
use crate::model::packet::Collected;
use crate::model::proof::Proof;

/// A packet's merge: its base, its tip and its difference. Not the integration branch, or each merge of another
/// packet would void the approval.
pub fn binding_for_merge(
    repository: &str,
    policy: &Policy,
    slug: &Slug,
    packet: &PacketId,
    collected: &Collected,
) -> Binding {
    let update = RefUpdate {
        name: slug.branch(packet),
        old: Some(collected.base.clone()),
        new: Some(collected.tip.clone()),
    };
    Binding {
        updates: vec![update],
        diff: collected.facts.digest.clone(),
        ..binding_for_question(repository, policy)
    }
}

/// A merge that lacks something of a side's change: the packet's base and tip, and what is lacking.
pub fn binding_for_risk(
    repository: &str,
    policy: &Policy,
    slug: &Slug,
    packet: &PacketId,
    collected: &Collected,
    proof: &Proof,
) -> Binding {
    let mut sha = Sha256::new();
    for one in &proof.exceptions {
        let (side, lack) = (one.side.word(), one.lack.word());
        sha.update(format!("{}\0{side}\0{lack}\0{}\0", one.path, one.line));
    }
    sha.update(proof.more.to_string());
    Binding {
        diff: format!("{:x}", sha.finalize()),
        ..binding_for_merge(repository, policy, slug, packet, collected)
    }
}

/// The move of the target branch; `diff` is the digest of the difference between the two commits.
pub fn binding_for_land(
    repository: &str,
    policy: &Policy,
    target: &RefName,
    old: &CommitId,
    new: &CommitId,
    diff: String,
) -> Binding {
    let update = RefUpdate {
        name: target.clone(),
        old: Some(old.clone()),
        new: Some(new.clone()),
    };
    Binding {
        updates: vec![update],
        diff,
        ..binding_for_question(repository, policy)
    }
}

/// A push: the remote by name and address, and its refs with the values that they have there now. `diff` is the
/// digest of the difference that is shown to the person (empty where several refs are new).
pub fn binding_for_push(
    repository: &str,
    policy: &Policy,
    remote: &str,
    url: &str,
    updates: Vec<RefUpdate>,
    diff: String,
) -> Binding {
    Binding {
        remote: Some(remote.to_owned()),
        url: Some(address(url).into_owned()),
        updates,
        diff,
        ..binding_for_question(repository, policy)
    }
}

/// A question where nothing moves: may this packet start, may merging begin.
pub fn binding_for_question(repository: &str, policy: &Policy) -> Binding {
    Binding {
        repository: repository.to_owned(),
        remote: None,
        url: None,
        updates: Vec::new(),
        diff: String::new(),
        policy: digest(policy),
    }
}

/// Returns a remote's address without the user name and password that may stand in it: they do not say where
/// the push goes, and must not get into a journal.
pub fn address(url: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Cow::Borrowed(url);
    };
    let host_ends = rest.find('/').unwrap_or(rest.len());
    match rest[..host_ends].rfind('@') {
        // In `ssh://git@host` the user is part of the place.
        Some(at) if scheme.starts_with("http") || rest[..at].contains(':') => {
            Cow::Owned(format!("{scheme}://{}", &rest[at + 1..]))
        }
        _ => Cow::Borrowed(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_the_place_and_loses_the_password() {
        for (url, kept) in [
            ("https://user:secret@host/a@b.git", "https://host/a@b.git"),
            ("https://token@host:8443/a.git", "https://host:8443/a.git"),
            ("ssh://git@host/a.git", "ssh://git@host/a.git"),
            ("ssh://git:secret@host/a.git", "ssh://host/a.git"),
            ("git@host:a.git", "git@host:a.git"),
            ("/srv/a b.git", "/srv/a b.git"),
            ("https://host", "https://host"),
        ] {
            assert_eq!(address(url), kept);
        }
    }
}
