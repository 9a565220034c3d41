//! What is said about a merge: what made it, and whether something of its two sides is lacking.
//!
//! Called by everything that shows a packet: `integration.md`, the report, `dynwf review`.

use super::page::code;
use super::words::counted;
use crate::model::packet::Merge;
use crate::model::proof::Proof;
use crate::model::state::PacketState;

/// The proof of a packet's merge: of the one that was made, else of the one that is asked about.
pub(super) fn proof_of(packet: &PacketState) -> Option<&Proof> {
    let made = packet.merge.as_ref().and_then(|merge| merge.proof.as_ref());
    made.or(packet.proof.as_ref())
}

/// What made a merge, in words.
pub fn road_words(merge: &Merge) -> String {
    match merge.road.as_str() {
        "tree" if merge.proof.is_none() => "disjoint changes, merged as trees".to_owned(),
        "tree" => "texts merged as git does".to_owned(),
        "git" => "merged by git".to_owned(),
        "person" => "conflict resolved by a person".to_owned(),
        rung => format!("conflict resolved by {rung}"),
    }
}

/// What a packet's merge says about both sides' changes, a line each; empty where every file is one side's.
pub fn proof_lines(packet: &PacketState) -> Vec<String> {
    let Some(proof) = proof_of(packet) else {
        return Vec::new();
    };
    let compared = format!(
        "{} compared with both sides",
        counted(proof.files as usize, "file")
    );
    let mut all = vec![if proof.is_whole() {
        format!("nothing is lacking; {compared}")
    } else {
        format!("{} lacking; {compared}", counted(proof.lacks(), "line"))
    }];
    for one in &proof.exceptions {
        let why = if one.why.is_empty() {
            "nobody said why"
        } else {
            &one.why
        };
        all.push(format!(
            "{}: {} of {}: {}: {why}",
            code(&one.path.to_string()),
            one.lack.word(),
            one.side.word(),
            code(one.line.trim())
        ));
    }
    if proof.more > 0 {
        all.push(format!("and {} more", counted(proof.more as usize, "line")));
    }
    for (path, rule) in &proof.exempt {
        let path = code(&path.to_string());
        all.push(format!("{path}: written anew by {rule}, so not compared"));
    }
    all
}
