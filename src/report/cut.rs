//! What a cut looks like before it is made: a table for people, or JSON. Called by `cli`.

use serde_json::{Value, json};

use super::words::{counted, padded, width};
use crate::model::carve::Carved;
use crate::model::id::{CommitId, Slug};
use crate::model::path::printable;
use crate::plan::shard::{By, Cut};

/// How much of a scope a line shows.
const SCOPE: usize = 60;

/// What is shown.
#[derive(Clone, Debug)]
pub struct Shown<'a> {
    /// The workflow.
    pub slug: &'a Slug,
    /// How it was cut.
    pub by: By,
    /// The commit that the packets start from.
    pub base: &'a CommitId,
    /// The plan, and what is in its packets.
    pub cut: &'a Cut,
    /// Where the plan lies, if it was written.
    pub plan: Option<&'a str>,
    /// For a branch: that its packets add up to it.
    pub carved: Option<&'a Carved>,
}

/// Returns it as JSON.
pub fn value(shown: &Shown<'_>) -> Value {
    let packets: Vec<Value> = shown
        .cut
        .plan
        .packets
        .iter()
        .zip(&shown.cut.rows)
        .map(|(packet, row)| {
            json!({
                "id": packet.id,
                "owner": packet.owner,
                "files": row.files,
                "bytes": row.bytes,
                "scope": packet.scope,
            })
        })
        .collect();
    let mut value = json!({
        "slug": shown.slug,
        "by": shown.by.word(),
        "base": shown.base,
        "dry_run": shown.plan.is_none(),
        "plan": shown.plan,
        "packets": packets,
        "notes": shown.cut.notes,
    });
    if let (Some(carved), Some(object)) = (shown.carved, value.as_object_mut()) {
        object.insert("carved".to_owned(), json!(carved));
    }
    value
}

/// Returns it as a table.
pub fn table(shown: &Shown<'_>) -> String {
    let cut = shown.cut;
    let owned = cut.plan.packets.iter().any(|packet| packet.owner.is_some());
    let mut rows = vec![["packet", "owner", "files", "bytes", "scope"].map(str::to_owned)];
    for (packet, row) in cut.plan.packets.iter().zip(&cut.rows) {
        rows.push([
            packet.id.to_string(),
            printable(packet.owner.as_deref().unwrap_or("nobody")).into_owned(),
            row.files.to_string(),
            row.bytes.to_string(),
            scope(&packet.scope),
        ]);
    }
    let widest = |at: usize| rows.iter().map(|row| width(&row[at])).max().unwrap_or(0);
    let widths = [0, 1, 2, 3].map(widest);
    let mut text = String::new();
    for row in &rows {
        text.push_str(&padded(&row[0], widths[0]));
        if owned {
            text.push_str("  ");
            text.push_str(&padded(&row[1], widths[1]));
        }
        for at in [2, 3] {
            let blanks = widths[at] - width(&row[at]);
            text.push_str(&format!("  {}{}", " ".repeat(blanks), row[at]));
        }
        text.push_str(&format!("  {}\n", row[4]));
    }
    let files: usize = cut.rows.iter().map(|row| row.files).sum();
    let bytes: u64 = cut.rows.iter().map(|row| row.bytes).sum();
    text.push_str(&format!(
        "{}, {}, {bytes} bytes, from {}\n",
        counted(cut.rows.len(), "packet"),
        counted(files, "file"),
        shown.base.short()
    ));
    if let Some(carved) = shown.carved {
        text.push_str(&format!("proof: {}\n", proof_words(carved)));
    }
    text
}

/// As many patterns as fit, and how many more there are.
fn scope(patterns: &[String]) -> String {
    let mut text = String::new();
    for (at, pattern) in patterns.iter().enumerate() {
        let pattern = printable(pattern);
        if at > 0 && width(&text) + width(&pattern) + 1 > SCOPE {
            return format!("{text} and {} more", patterns.len() - at);
        }
        if at > 0 {
            text.push(' ');
        }
        text.push_str(&pattern);
    }
    text
}

/// Says in one line how it was shown that the packets of a branch add up to it.
pub fn proof_words(carved: &Carved) -> String {
    let proof = &carved.proof;
    let orders = match proof.orders {
        1 => "in one order".to_owned(),
        orders if proof.every_order => format!("in all {orders} orders"),
        orders => format!("in {orders} orders"),
    };
    let pairs = match proof.pairs {
        0 => String::new(),
        1 => ", the pair both ways".to_owned(),
        pairs => format!(", all {pairs} pairs both ways"),
    };
    format!(
        "merged {orders}{pairs} and by git merge-tree they give tree {}, that of {}",
        carved.tree,
        carved.tip.short()
    )
}
