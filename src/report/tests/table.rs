//! The table, the list, JSON and the log, compared as text.

use jiff::tz::TimeZone;

use super::strip;
use crate::model::event::EventKind;
use crate::model::gate::GateKind;
use crate::model::unit::UnitOutcome;
use crate::report::human::{self, Look};
use crate::report::json;
use crate::report::line::Teller;
use crate::report::list::{self, Summary};
use crate::report::sample::{Story, commit, finished, main_branch, middle, packet, plan, update};
use crate::report::view::StatusView;
use crate::report::words::width;

fn table(story: &Story, width: Option<usize>, unicode: bool) -> String {
    let view = StatusView::new(&story.state, story.now);
    human::status(
        &view,
        Look {
            width,
            unicode,
            colour: false,
        },
    )
}

#[test]
fn a_wide_screen_shows_everything_and_the_block_only_what_the_lines_do_not_say() {
    let expected = "\
refactor · 8 packets from 3333333 (main) · sandbox bubblewrap · 4 at a time

 ✓ 01-cli      command  integrated   12 files +148 −96                                 4s
 ✓ 02-core     codex    waiting      31 files +402 −377   Cargo.lock is protected  2m 10s   41k tokens
 ● 03-printer  claude   turn 2 of 3  mending: cargo check -p grep-printer          1m 32s   28k
 ● 04-search   codex    running                                                       48s
 ◌ 05-docs     parent   ready        yours: dynwf packet next refactor
 ◌ 06-after    command  planned      needs 03-printer, 04-search
 ! 07-flags    command  conflicted   with 01-cli in crates/core/flags/defs.rs          3s
 ✗ 08-lint     command  failed       check `cargo clippy` exit 101: dynwf packet log refactor 08-lint

 3 of 8 settled · 2 running · 3m 51s · 69k of 3M tokens

1 gate waits
  merge:02-core   31 files, Cargo.lock is protected   dynwf review refactor 02-core
                                                      dynwf approve refactor merge:02-core

1 conflict is yours
  07-flags        1 file                              dynwf integrate refactor --continue
";
    let story = middle();
    assert_eq!(table(&story, Some(120), true), expected);
    assert_eq!(table(&story, None, true), expected);
}

#[test]
fn one_long_note_does_not_push_the_other_lines_apart() {
    let mut story = middle();
    let long = format!("Cargo.lock is protected, {}", "x".repeat(3000));
    let gate = story.state.gates.values_mut().next().expect("a gate");
    gate.why = vec![long.clone()];
    let text = table(&story, None, true);
    assert!(text.contains(&long), "{text}");
    let longest = text
        .lines()
        .filter(|line| !line.contains(&long))
        .map(width)
        .max();
    assert!(longest.is_some_and(|longest| longest < 200), "{text}");
}

#[test]
fn a_narrow_screen_drops_the_cost_and_says_cut_commands_below() {
    let expected = "\
refactor · 8 packets from 3333333 (main) · sandbox bubblewrap · 4 at a time

 ✓ 01-cli      command  integrated   12 files +148 −96                        4s
 ✓ 02-core     codex    waiting      31 files +402 −377   Cargo.lock is…  2m 10s
 ● 03-printer  claude   turn 2 of 3  mending: cargo check -p grep-print…  1m 32s
 ● 04-search   codex    running                                              48s
 ◌ 05-docs     parent   ready        yours: dynwf packet next refactor
 ◌ 06-after    command  planned      needs 03-printer, 04-search
 ! 07-flags    command  conflicted   with 01-cli in crates/core/flags/d…      3s
 ✗ 08-lint     command  failed       check `cargo clippy` exit 101

 3 of 8 settled · 2 running · 3m 51s · 69k of 3M tokens

1 gate waits
  merge:02-core   31 files, Cargo.lock i…   dynwf review refactor 02-core
                                            dynwf approve refactor merge:02-core

1 conflict is yours
  07-flags        1 file                    dynwf integrate refactor --continue

1 packet failed
  08-lint         check `cargo clippy` e…   dynwf packet log refactor 08-lint
                                            dynwf packet retry refactor 08-lint
";
    assert_eq!(table(&middle(), Some(80), true), expected);
}

#[test]
fn a_very_narrow_screen_keeps_packet_and_state_in_ascii_too() {
    let expected = "\
refactor - 8 packets from 3333333 (main) - sand...

 + 01-cli      command  integrated         4s
 + 02-core     codex    waiting        2m 10s
 * 03-printer  claude   turn 2 of 3    1m 32s
 * 04-search   codex    running           48s
 . 05-docs     parent   ready
 . 06-after    command  planned
 ! 07-flags    command  conflicted         3s
 x 08-lint     command  failed

 3 of 8 settled - 2 running - 3m 51s - 69k of 3...

1 gate waits
  merge:02-core   31 files, Cargo.lock is prote...
    dynwf review refactor 02-core
    dynwf approve refactor merge:02-core

1 conflict is yours
  07-flags        1 file
    dynwf integrate refactor --continue

1 packet is yours
  05-docs
    dynwf packet next refactor

1 packet failed
  08-lint         check `cargo clippy` exit 101
    dynwf packet log refactor 08-lint
    dynwf packet retry refactor 08-lint
";
    let text = table(&middle(), Some(50), false);
    assert_eq!(text, expected);
    assert!(text.is_ascii());
}

#[test]
fn no_line_is_wider_than_the_screen_but_for_commands() {
    let story = middle();
    for columns in 12..140 {
        for line in table(&story, Some(columns), true).lines() {
            assert!(
                width(line) <= columns || line.contains("dynwf "),
                "{columns}: {line}"
            );
        }
    }
}

#[test]
fn colour_only_repeats_what_the_symbols_say() {
    let story = middle();
    let view = StatusView::new(&story.state, story.now);
    let look = |colour| Look {
        width: Some(100),
        unicode: true,
        colour,
    };
    let coloured = human::status(&view, look(true));
    assert!(coloured.contains("\x1b[31m✗\x1b[0m"));
    assert_eq!(strip(&coloured), human::status(&view, look(false)));
}

#[test]
fn what_comes_from_outside_cannot_move_the_cursor() {
    let mut story = Story::begun(plan());
    story.workspace("01-cli", 1);
    story.say(EventKind::PacketFailed {
        packet: packet("01-cli"),
        why: "agent said \x1b[2J\x1b]0;x\x07\nfake \u{202e}line".to_owned(),
    });
    let text = table(&story, None, true);
    assert!(!text.contains('\x1b') && !text.contains('\u{202e}') && !text.contains('\x07'));
    assert!(text.contains("agent said \\u{1b}[2J"), "{text}");
    assert_eq!(text.matches("fake").count(), 1, "on the same line");
    let mut teller = Teller::default();
    for event in &story.events {
        let line = teller.tell(event).line(&TimeZone::UTC, true);
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
}

#[test]
fn the_json_has_the_published_fields() {
    let story = middle();
    let text = json::status(&StatusView::new(&story.state, story.now));
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    for key in [
        "slug",
        "status",
        "target",
        "base",
        "integration",
        "packets",
        "gates",
        "checks",
        "budget",
    ] {
        assert!(value.get(key).is_some(), "{key}");
    }
    assert_eq!(value["target"]["ref"], "refs/heads/main");
    assert_eq!(value["target"]["commit"], commit('3').as_str());
    assert_eq!(value["integration"]["branch"], "dynwf/refactor/integration");
    assert_eq!(value["integration"]["commit"], commit('4').as_str());
    assert_eq!(value["integration"]["tree"], commit('4').as_str());
    let first = &value["packets"][0];
    assert_eq!(
        *first,
        serde_json::json!({
                   "id": "01-cli", "status": "integrated", "agent": "command",
                   "branch": "dynwf/refactor/01-cli", "worktree": "/w/01-cli",
                   "base": commit('3'), "tip": commit('a'), "attempts": 1,
                   "files": 12, "additions": 148, "deletions": 96, "road": "tree", "reason": null,
        "reason": null,
                   "objective": "Replace the facade in 01-cli", "kind": "edit", "after": [],
                   "parent_work": false, "turn": 1, "turns": 1, "doing": null,
                   "accepted_by": "policy", "merged": commit('4'), "conflict": [], "checks": [],
                   "notes": [], "seconds": 4, "tokens": 0,
               })
    );
    assert_eq!(value["packets"][4]["attempts"], 0, "parent work not taken");
    let gate = &value["gates"][0];
    assert_eq!(gate["id"], "merge:02-core");
    assert_eq!(
        (&gate["kind"], &gate["status"]),
        (&"merge".into(), &"waiting".into())
    );
    assert_eq!(gate["ref"], "refs/heads/dynwf/refactor/02-core");
    assert_eq!(gate["old"], commit('3').as_str());
    assert_eq!(gate["new"], commit('a').as_str());
    let check = &value["checks"][0];
    assert_eq!(
        (&check["name"], &check["status"]),
        (&"tests".into(), &"planned".into())
    );
}

#[test]
fn evidence_of_another_tree_is_stale() {
    let mut story = finished();
    let view = StatusView::new(&story.state, story.now);
    assert_eq!(view.checks[0].status, "passed");
    assert_eq!(view.checks[0].exit_code, Some(0));
    story.evidence('9', UnitOutcome::Exited(1));
    let view = StatusView::new(&story.state, story.now);
    assert_eq!(
        view.checks[0].status, "passed",
        "the other tree says nothing"
    );

    let mut moved = Story::begun(plan());
    moved.work("01-cli", 1, 0, (1, 1, 1));
    moved.integrate("01-cli", '4');
    moved.evidence('4', UnitOutcome::Exited(0));
    moved.work("02-core", 1, 0, (1, 1, 1));
    moved.integrate("02-core", '5');
    let view = StatusView::new(&moved.state, moved.now);
    assert_eq!(view.checks[0].status, "stale");
}

#[test]
fn the_way_to_the_end_is_named_step_by_step() {
    let next = |story: &Story| {
        let view = StatusView::new(&story.state, story.now);
        view.next
            .iter()
            .flat_map(|next| next.commands.clone())
            .collect::<Vec<_>>()
    };
    let mut story = finished();
    assert_eq!(next(&story), ["dynwf land refactor"]);
    let land = update(main_branch().as_str(), Some(commit('3')), commit('4'));
    story.gate("land", GateKind::Land, vec![land], "asked by the plan");
    assert_eq!(
        next(&story),
        [
            "dynwf review refactor --landing",
            "dynwf approve refactor land"
        ]
    );
    let text = table(&story, None, true);
    assert!(
        text.contains(
            "  land   main 3333333 → 4444444, asked by the plan   dynwf review refactor --landing\n"
        ),
        "{text}"
    );
    let empty = Story::begun(plan());
    assert_eq!(next(&empty), ["dynwf run refactor"]);
}

#[test]
fn all_workflows_take_a_line_each() {
    let (one, other) = (middle(), finished());
    let all = [Summary::new(&one.state), Summary::new(&other.state)];
    let text = list::render(&all, one.now, Look::PLAIN);
    assert_eq!(
        text,
        "refactor  running   3 of 8 settled · 2 running · 1 gate waits · 48s ago   \
         Replace the log facade by tracing in every crate\n\
         refactor  complete  2 of 2 settled · 3m 38s ago   \
         Replace the log facade by tracing in every crate\n"
    );
    let value: serde_json::Value = serde_json::from_str(&json::list(&all)).expect("JSON");
    assert_eq!(value["workflows"][0]["next"]["subject"], "merge:02-core");
}
