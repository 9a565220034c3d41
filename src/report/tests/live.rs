//! The live view: what a terminal shows after what was written to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::tz::TimeZone;

use super::strip;
use crate::model::event::Event;
use crate::model::id::UnitId;
use crate::model::state::RunState;
use crate::report::human::Look;
use crate::report::progress::{Mode, Progress, Size};
use crate::report::sample::{Story, middle};
use crate::report::words::width;

#[test]
fn without_a_terminal_each_event_that_matters_is_a_line() {
    let story = middle();
    let mode = Mode::Lines {
        zone: TimeZone::UTC,
        unicode: true,
    };
    let mut progress = Progress::new(Vec::new(), mode, None);
    replay(&story, |event, state| progress.fact(event, state));
    let text = String::from_utf8(progress.end()).expect("text");
    assert!(
        text.starts_with(
            "21:00:00  the plan is fixed: 8 packets from 3333333 for main\n\
             21:00:00  run started (dynwf 0.1.0, sandbox bubblewrap)\n\
             21:00:00  01-cli: unit 1 works, attempt 1\n\
             21:00:04  01-cli: unit 1 ended: exit 0, 4s\n\
             21:00:04  01-cli: collected as aaaaaaa: 12 files +148 −96\n\
             21:00:04  01-cli: accepted by policy\n\
             21:00:04  01-cli: merged onto 3333333 as 4444444\n\
             21:00:04  01-cli: done: integrate as 4444444\n"
        ),
        "{text}"
    );
    assert!(text.contains("02-core: gate merge:02-core waits: Cargo.lock is protected\n"));
}

#[test]
fn lines_are_ascii_where_nothing_else_can_be_shown() {
    let mode = Mode::Lines {
        zone: TimeZone::UTC,
        unicode: false,
    };
    let mut progress = Progress::new(Vec::new(), mode, None);
    replay(&middle(), |event, state| progress.fact(event, state));
    let text = String::from_utf8(progress.end()).expect("text");
    assert!(text.is_ascii(), "{text}");
    assert!(text.contains("12 files +148 -96\n"), "{text}");
}

fn replay(story: &Story, mut fact: impl FnMut(&Event, &RunState)) {
    let mut state = RunState::new(story.state.slug.clone());
    for event in &story.events {
        state.apply(event);
        fact(event, &state);
    }
}

/// A terminal that understands what `Progress` writes.
struct Screen {
    columns: usize,
    rows: Vec<String>,
    at: usize,
    scrolled: usize,
    lines: usize,
}

impl Screen {
    fn show(columns: usize, lines: usize, text: &str) -> Self {
        let mut screen = Self {
            columns,
            rows: vec![String::new(); lines],
            at: 0,
            scrolled: 0,
            lines,
        };
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if let Some(after) = rest.strip_prefix("\x1b[") {
                let end = after
                    .find(|c: char| c.is_ascii_alphabetic())
                    .expect("an end");
                let number = after[..end].parse().unwrap_or(0);
                match &after[end..=end] {
                    "A" => screen.at = screen.at.checked_sub(number).expect("above the screen"),
                    "J" => screen.rows[screen.at..].fill(String::new()),
                    "K" | "m" => {}
                    other => panic!("unknown sequence {other}"),
                }
                rest = &after[end + 1..];
                continue;
            }
            rest = &rest[c.len_utf8()..];
            match c {
                '\n' => screen.down(),
                '\r' => screen.rows[screen.at].clear(),
                c => {
                    assert!(width(&screen.rows[screen.at]) < screen.columns, "wraps");
                    screen.rows[screen.at].push(c);
                }
            }
        }
        screen
    }

    fn down(&mut self) {
        if self.at + 1 == self.lines {
            self.rows.remove(0);
            self.rows.push(String::new());
            self.scrolled += 1;
        } else {
            self.at += 1;
            self.rows[self.at].clear();
        }
    }
}

fn live(columns: usize, lines: usize) -> Mode {
    Mode::Live {
        look: Look {
            width: None,
            unicode: true,
            colour: true,
        },
        size: Box::new(move || Size { columns, lines }),
    }
}

#[test]
fn the_table_is_drawn_in_place_on_every_size_of_screen() {
    let story = middle();
    for (columns, lines) in [(120, 40), (80, 24), (50, 10), (20, 5), (200, 3)] {
        let mut progress = Progress::new(Vec::new(), live(columns, lines), Some(4));
        replay(&story, |event, state| {
            progress.fact(event, state);
            progress.tick(event.at);
        });
        progress.progress(UnitId(7), "editing crates/searcher/src/lib.rs\n\x1b[2J");
        progress.tick(story.now);
        let out = String::from_utf8(progress.end()).expect("text");
        let cleared = out.rfind("\x1b[J").expect("it ends with a clearing");
        let before = Screen::show(
            columns,
            lines,
            &out[..out[..cleared].rfind("\x1b[").unwrap()],
        );
        assert_eq!(before.scrolled, 0, "{columns}x{lines}");
        let text = before.rows.join("\n");
        assert!(text.contains("3 of 8 settled") || lines < 10, "{text}");
        if columns >= 80 {
            assert!(
                text.contains("editing crates/searcher") || lines < 10,
                "{text}"
            );
        }
        let after = Screen::show(columns, lines, &out);
        assert!(after.rows.iter().all(String::is_empty), "all is cleared");
        assert_eq!(after.at, 0, "and the cursor is where it was");
    }
}

#[test]
fn a_low_screen_keeps_what_goes_on() {
    let story = middle();
    let mut progress = Progress::new(Vec::new(), live(100, 11), None);
    replay(&story, |event, state| progress.fact(event, state));
    progress.tick(story.now);
    let out = String::from_utf8(progress.end()).expect("text");
    let last = out.rsplit("\x1b[J").nth(2).expect("a last drawing");
    let text = strip(&last.replace("\x1b[K", ""));
    for part in [
        "03-printer",
        "04-search",
        "1 gate waits · 1 conflict is yours",
        "…",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("✓ 01-cli"), "{text}");
}

#[test]
fn a_screen_that_becomes_narrower_is_cleared_from_where_the_table_began() {
    let columns = Arc::new(AtomicUsize::new(100));
    let asked = Arc::clone(&columns);
    let mode = Mode::Live {
        look: Look::PLAIN,
        size: Box::new(move || Size {
            columns: asked.load(Ordering::Relaxed),
            lines: 60,
        }),
    };
    let story = middle();
    let mut progress = Progress::new(Vec::new(), mode, None);
    replay(&story, |event, state| progress.fact(event, state));
    progress.tick(story.now);
    columns.store(50, Ordering::Relaxed);
    progress.tick(story.now);
    let out = String::from_utf8(progress.end()).expect("text");
    let mut frames = out.rsplit("\x1b[J").skip(2);
    let (narrow, wide) = (frames.next().unwrap(), frames.next().unwrap());
    let (_, wide) = wide.split_once('\r').expect("it was drawn before, too");
    let wrapped: usize = wide
        .lines()
        .map(|line| {
            width(&strip(&line.replace("\x1b[K", "")))
                .div_ceil(50)
                .max(1)
        })
        .sum();
    let up = narrow.split_once('A').expect("a move").0;
    assert_eq!(
        up,
        format!("\x1b[{wrapped}"),
        "rows that the old table takes now"
    );
}

#[test]
fn a_closed_pipe_ends_the_showing_and_not_the_run() {
    struct Closed;
    impl std::io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mode = Mode::Lines {
        zone: TimeZone::UTC,
        unicode: true,
    };
    let mut progress = Progress::new(Closed, mode, None);
    replay(&middle(), |event, state| progress.fact(event, state));
}
