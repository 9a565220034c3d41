//! Figures in words, and text that fits: durations, counts, cutting to a width.
//!
//! Widths are columns of a terminal, not characters. Called by everything in `report`.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::model::path::printable;

/// A duration: `4s`, `2m 10s`, `1h 03m`, `2d 4h`.
pub(super) fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    if days > 0 {
        format!("{days}d {}h", hours % 24)
    } else if hours > 0 {
        format!("{hours}h {:02}m", minutes % 60)
    } else if minutes > 0 {
        format!("{minutes}m {:02}s", seconds % 60)
    } else {
        format!("{seconds}s")
    }
}

/// A large count: `950`, `41k`, `2.5M`, `3M`.
pub(super) fn amount(count: u64) -> String {
    let tenths = |unit: u64| {
        let tenths = count / (unit / 10);
        if tenths >= 100 || tenths.is_multiple_of(10) {
            (tenths / 10).to_string()
        } else {
            format!("{}.{}", tenths / 10, tenths % 10)
        }
    };
    match count {
        0..=999 => count.to_string(),
        1000..=999_999 => format!("{}k", count / 1000),
        1_000_000..=999_999_999 => format!("{}M", tenths(1_000_000)),
        _ => format!("{}G", tenths(1_000_000_000)),
    }
}

/// A count with its noun: `1 file`, `2 files`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

/// Returns the text on one line, with what could disturb a terminal escaped.
pub(super) fn one_line(text: &str) -> String {
    let joined: Cow<'_, str> = if text.contains(['\n', '\r', '\t']) {
        text.split_whitespace().collect::<Vec<_>>().join(" ").into()
    } else {
        text.trim().into()
    };
    printable(&joined).into_owned()
}

/// The columns that a text takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// Cuts a text to so many columns, with a mark where something was cut.
pub(super) fn fit(text: &str, columns: usize, unicode: bool) -> Cow<'_, str> {
    if width(text) <= columns {
        return text.into();
    }
    let mark = if unicode { "…" } else { "..." };
    let Some(room) = columns.checked_sub(width(mark)) else {
        return ".".repeat(columns.min(1)).into();
    };
    let mut used = 0;
    let end = text
        .char_indices()
        .find(|(_, c)| {
            used += c.width().unwrap_or(0);
            used > room
        })
        .map_or(text.len(), |(at, _)| at);
    format!("{}{mark}", text[..end].trim_end()).into()
}

/// Pads a text with spaces on the right to so many columns.
pub(super) fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// Replaces the few signs that a terminal without UTF-8 cannot show.
pub(super) fn plain(text: &str, unicode: bool) -> Cow<'_, str> {
    if unicode || text.is_ascii() {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '·' | '•' | '−' | '–' | '—' => out.push('-'),
            '…' => out.push_str("..."),
            '→' => out.push_str("->"),
            '“' | '”' => out.push('"'),
            '‘' | '’' => out.push('\''),
            c if c.is_ascii() => out.push(c),
            c => out.extend(c.escape_unicode()),
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        for (seconds, text) in [
            (0, "0s"),
            (48, "48s"),
            (130, "2m 10s"),
            (3780, "1h 03m"),
            (187_200, "2d 4h"),
        ] {
            assert_eq!(duration(seconds), text);
        }
        for (count, text) in [
            (0, "0"),
            (999, "999"),
            (41_999, "41k"),
            (1_000_000, "1M"),
            (2_550_000, "2.5M"),
            (12_300_000, "12M"),
            (3_000_000_000, "3G"),
        ] {
            assert_eq!(amount(count), text);
        }
        assert_eq!(counted(1, "file"), "1 file");
        assert_eq!(counted(0, "file"), "0 files");
    }

    #[test]
    fn text_is_cut_by_columns() {
        assert_eq!(fit("abcdef", 6, true), "abcdef");
        assert_eq!(fit("abcdefg", 6, true), "abcde…");
        assert_eq!(fit("abcdefg", 6, false), "abc...");
        assert_eq!(fit("字字字字", 5, true), "字字…");
        assert_eq!(fit("abc", 0, true), "");
        assert_eq!(width(&padded("字", 4)), 4);
    }

    #[test]
    fn what_comes_from_outside_stays_on_its_line() {
        assert_eq!(one_line("a\n  b\tc\r\n"), "a b c");
        assert_eq!(one_line("a\x1b[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(plain("a · b − ü", false), "a - b - \\u{fc}");
    }
}
