//! What `dynwf review` says and shows of a packet's work that was judged, or replayed onto another base, before.
//!
//! Who has read a packet once reads only what is new in it; `--full` shows them everything. Where nobody has read it and
//! it was only replayed, the whole is shown, with what the replay made of it first. Called by `cli::review`.

use anyhow::Result;
use serde_json::{Value, json};

use super::context::Context;
use super::review_head::{heading, size};
use crate::model::id::{PacketId, Slug};
use crate::model::packet::Collected;
use crate::model::path::printable;
use crate::model::state::{Earlier, PacketState, Said};
use crate::review::diff::Limits;
use crate::review::interdiff::{Interdiff, interdiff};

/// An earlier form of a packet's work, and what is new since.
pub(super) struct Since<'a> {
    earlier: Earlier<'a>,
    now: &'a Collected,
    /// None where the earlier form is not in the repository any more.
    pub news: Option<Interdiff>,
}

/// Compares a packet's work with what was judged before; `None` where there is no other form of it.
pub(super) fn since<'a>(
    context: &Context,
    packet: &'a PacketState,
    limits: Limits,
) -> Result<Option<Since<'a>>> {
    let (Some(earlier), Some(now)) = (packet.earlier(), &packet.collected) else {
        return Ok(None);
    };
    let commits = (earlier.base, earlier.tip);
    let news = interdiff(&context.git, commits, &now.base, &now.tree, limits)?;
    Ok(Some(Since { earlier, now, news }))
}

impl Since<'_> {
    /// Whether somebody has read the earlier form, so that the news will do.
    pub(super) fn is_enough(&self) -> bool {
        self.earlier.review.is_some() && self.news.is_some()
    }

    /// What stands above the difference.
    pub(super) fn lines(&self, slug: &Slug, id: &PacketId, full: bool) -> Vec<String> {
        let range = format!(
            "{}..{}",
            self.earlier.base.short(),
            self.earlier.tip.short()
        );
        let what = match self.earlier.review {
            None => format!("it was replayed from {range}"),
            Some(review) => {
                let at = review.at.strftime("%F %H:%M UTC");
                match (review.said, review.by.as_str()) {
                    (Said::SentBack, _) => format!("{range} was sent back, {at}"),
                    (said, by) => format!("{range} was {} by {by}, {at}", said.word()),
                }
            }
        };
        let mut lines = Vec::new();
        let Some(news) = &self.news else {
            let gone = "that work is not in the repository any more; below is the whole change";
            heading(&mut lines, "since", &[format!("{what}: {gone}")]);
            return lines;
        };
        let moved = if *self.earlier.base == self.now.base {
            String::new()
        } else {
            format!("; it starts from {} now", self.now.base.short())
        };
        let mut texts = if news.is_empty() {
            vec![format!("{what}: nothing of it has changed{moved}")]
        } else {
            let files = u32::try_from(news.diff.files.len()).unwrap_or(u32::MAX);
            let size = size(files, news.diff.additions, news.diff.deletions);
            vec![format!("{what}: {size} changed since{moved}")]
        };
        if !news.conflicts.is_empty() {
            let files: Vec<String> = news
                .conflicts
                .iter()
                .map(|file| format!("{} ({})", printable(&file.path.to_string()), file.kind))
                .collect();
            texts.push(format!(
                "the earlier change does not go there by itself: {}; its conflict marks stand on the old side",
                files.join(", ")
            ));
        }
        if self.is_enough() && !full {
            texts.push(format!(
                "dynwf review {slug} {id} --full shows the whole change"
            ));
        }
        heading(&mut lines, "since", &texts);
        lines
    }

    /// The same for scripts.
    pub(super) fn as_json(&self) -> Value {
        let review = self.earlier.review;
        json!({
            "of": if review.is_some() { "review" } else { "restack" },
            "base": self.earlier.base,
            "tip": self.earlier.tip,
            "said": review.map(|review| review.said.word()),
            "by": review.map(|review| &review.by).filter(|by| !by.is_empty()),
            "at": review.map(|review| review.at),
            "unchanged": self.news.as_ref().map(Interdiff::is_empty),
            "conflicts": self.news.as_ref().map(|news| &news.conflicts),
            "diff": self.news.as_ref().map(|news| &news.diff),
        })
    }
}
