//! The messages of the commits that dynwf makes.
//!
//! Every one ends with trailers: they say which workflow and packet a commit belongs to, also after it was
//! cherry-picked or rebased, which is how the `pre-push` hook knows it.

use crate::model::id::{CommitId, PacketId, Slug, TreeId};
use crate::model::plan::Packet;

/// How long the subject of a commit may be.
const SUBJECT: usize = 72;

/// Returns the message of the commit that holds a packet's work.
pub fn packet_message(slug: &Slug, packet: &Packet) -> String {
    let body = if subject(&packet.objective) == packet.objective.trim() {
        String::new()
    } else {
        format!("{}\n\n", packet.objective.trim())
    };
    format!(
        "{}\n\n{body}{}",
        subject(&packet.objective),
        trailers(slug, &packet.id, packet.agent_name())
    )
}

/// Returns the trailers of a packet's commits, one a line.
pub fn trailers(slug: &Slug, packet: &PacketId, agent: &str) -> String {
    format!("Dynwf-Workflow: {slug}\nDynwf-Packet: {packet}\nDynwf-Agent: {agent}\n")
}

/// Returns the message of a packet's merge commit (or squashed commit). `evidence` names the checks that
/// passed on the packet's tree.
pub(super) fn merge_message(
    slug: &Slug,
    packet: &Packet,
    merges: bool,
    tree: &TreeId,
    evidence: &[String],
) -> String {
    let head = if merges {
        subject(&format!("Merge {}: {}", packet.id, packet.objective))
    } else {
        subject(&packet.objective)
    };
    let mut text = format!(
        "{head}\n\n{}\n\n{}",
        packet.objective.trim(),
        trailers(slug, &packet.id, packet.agent_name())
    );
    for check in evidence {
        let check: String = check.split_whitespace().collect::<Vec<_>>().join(" ");
        text.push_str(&format!(
            "Dynwf-Evidence: {check} passed on {}\n",
            tree.short()
        ));
    }
    text
}

/// Returns the message of the commit that takes a packet's merge out again.
pub(super) fn revert_message(slug: &Slug, packet: &Packet, merge: &CommitId, why: &str) -> String {
    let why = why.trim();
    let reason = if why.is_empty() {
        String::new()
    } else {
        format!("{why}\n\n")
    };
    format!(
        "{}\n\nThis reverts commit {merge}.\n\n{reason}{}Dynwf-Reverts: {merge}\n",
        subject(&packet.objective),
        trailers(slug, &packet.id, packet.agent_name())
    )
}

/// Returns the message of the commit that takes the moved target into the integration branch.
pub(super) fn target_message(slug: &Slug, target: &str) -> String {
    format!(
        "Merge {target} into {slug}\n\nThe target moved while the workflow ran.\n\nDynwf-Workflow: {slug}\n"
    )
}

/// The first line of a text, cut at a word where it is too long.
fn subject(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default().trim();
    if line.chars().count() <= SUBJECT {
        return line.to_owned();
    }
    let mut cut = String::new();
    for word in line.split_whitespace() {
        if cut.chars().count() + word.chars().count() + 2 > SUBJECT {
            break;
        }
        if !cut.is_empty() {
            cut.push(' ');
        }
        cut.push_str(word);
    }
    if cut.is_empty() {
        cut = line.chars().take(SUBJECT - 1).collect();
    }
    cut + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(objective: &str) -> Packet {
        serde_json::from_value(
            serde_json::json!({"id": "01-a", "objective": objective, "run": "true"}),
        )
        .expect("a packet")
    }

    #[test]
    fn the_trailers_are_the_last_paragraph() {
        let slug: Slug = "refactor".parse().expect("a slug");
        let tree: TreeId = "a".repeat(40).parse().expect("an id");
        let text = merge_message(
            &slug,
            &packet("Do it"),
            true,
            &tree,
            &["cargo  test\n-p x".to_owned()],
        );
        let last = text.trim_end().rsplit("\n\n").next().expect("a paragraph");
        assert_eq!(
            last,
            "Dynwf-Workflow: refactor\nDynwf-Packet: 01-a\nDynwf-Agent: command\n\
             Dynwf-Evidence: cargo test -p x passed on aaaaaaaaaaaa"
        );
        assert!(text.starts_with("Merge 01-a: Do it\n\n"));
    }

    #[test]
    fn a_long_subject_is_cut_at_a_word_and_kept_whole_below() {
        let slug: Slug = "refactor".parse().expect("a slug");
        let long = "word ".repeat(30);
        let text = packet_message(&slug, &packet(&long));
        let first = text.lines().next().expect("a line");
        assert!(
            first.chars().count() <= SUBJECT && first.ends_with('…'),
            "{first}"
        );
        assert!(text.contains(long.trim()));
    }
}
