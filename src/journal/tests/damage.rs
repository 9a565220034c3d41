//! Journals that are not as they were written.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::arbitrary::facts;
use super::{Place, ended, kinds, now, slug};
use crate::error::{ExitCode, code_of, hint_of};
use crate::journal::{Journal, reader, record};
use crate::model::event::{Event, EventKind};
use crate::model::id::{PacketId, RequestId};

/// A few facts of different length, the last one the shortest.
fn some_facts() -> Vec<EventKind> {
    let packet: PacketId = "01-a".parse().expect("an id");
    let request: RequestId = "1-a".parse().expect("an id");
    vec![
        EventKind::RequestRefused {
            request,
            why: "a \"quoted\"\nä".to_owned(),
        },
        EventKind::PacketFinished { packet },
        ended(0),
    ]
}

/// The bytes of a journal to which these facts were appended one after another, and the events.
fn written(facts: Vec<EventKind>) -> (Vec<u8>, Vec<Event>) {
    written_in(facts.into_iter().map(|fact| vec![fact]).collect())
}

/// The bytes of a journal that holds these appends, and the events.
fn written_in(appends: Vec<Vec<EventKind>>) -> (Vec<u8>, Vec<Event>) {
    let mut bytes = Vec::new();
    let mut head = record::NO_LINE.to_owned();
    let mut events = Vec::new();
    for append in appends {
        let last = events.len() + append.len();
        for kind in append {
            let seq = events.len() as u64 + 1;
            let event = Event {
                seq,
                at: now(),
                kind,
            };
            head = record::encode(&mut bytes, &event, &head, seq < last as u64).expect("is text");
            events.push(event);
        }
    }
    (bytes, events)
}

fn parse(bytes: &[u8]) -> anyhow::Result<reader::Contents> {
    reader::parse(bytes, Path::new("w/refactor/journal.jsonl"))
}

fn refused(bytes: &[u8]) -> anyhow::Error {
    match parse(bytes) {
        Ok(contents) => panic!("accepted {} records", contents.events.len()),
        Err(error) => error,
    }
}

/// Checks that the bytes, cut here, give the whole lines before the cut and nothing else.
fn check_cut(bytes: &[u8], events: &[Event], cut: usize) {
    let whole = bytes[..cut].split(|&b| b == b'\n').count() - 1;
    let contents = parse(&bytes[..cut]).expect("a cut is no damage");
    assert_eq!(contents.events, events[..whole]);
    let good = usize::try_from(contents.good).expect("is small");
    assert_eq!([&bytes[..good], &contents.torn[..]].concat(), bytes[..cut]);
}

#[test]
fn a_journal_cut_at_any_byte_gives_the_whole_lines_before_it() {
    let (bytes, events) = written(some_facts());
    for cut in 0..=bytes.len() {
        check_cut(&bytes, &events, cut);
    }
}

#[test]
fn what_was_written_together_counts_together_wherever_it_is_cut() {
    let (bytes, events) = written_in(vec![vec![ended(1)], some_facts(), vec![ended(2)]]);
    let ends: Vec<usize> = bytes
        .iter()
        .enumerate()
        .filter(|&(_, &byte)| byte == b'\n')
        .map(|(at, _)| at + 1)
        .collect();
    let appends = [(0, 0), (ends[0], 1), (ends[3], 4), (ends[4], 5)];
    for cut in 0..=bytes.len() {
        let contents = parse(&bytes[..cut]).expect("a cut is no damage");
        let whole = appends.iter().rfind(|&&(end, _)| end <= cut);
        let &(good, records) = whole.expect("nothing is whole, too");
        assert_eq!(contents.events, events[..records], "cut at {cut}");
        assert_eq!(contents.good, good as u64);
        assert_eq!(contents.torn, bytes[good..cut]);
        let lines: Vec<&[u8]> = bytes[..good].split(|&b| b == b'\n').collect();
        let head = lines.iter().rfind(|line| !line.is_empty());
        let head = head.map_or(record::NO_LINE.to_owned(), |line| record::short_hash(line));
        assert_eq!(
            contents.head, head,
            "the next record names the last that counts"
        );
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let (bytes, _) = written(some_facts());
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1_u8 << bit;
            let error = refused(&bytes);
            assert!(error.to_string().contains("journal.jsonl"), "{error}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_facts_are_read_as_they_were_written(facts in facts()) {
        let (bytes, events) = written(facts.clone());
        let contents = parse(&bytes).expect("reads");
        prop_assert_eq!(kinds(&contents.events), facts);
        prop_assert_eq!(contents.events, events);
        prop_assert!(contents.torn.is_empty());
    }

    #[test]
    fn any_journal_can_be_cut_anywhere(facts in facts(), cut in any::<prop::sample::Index>()) {
        let (bytes, events) = written(facts);
        check_cut(&bytes, &events, cut.index(bytes.len() + 1));
    }

    #[test]
    fn a_flip_in_any_journal_is_noticed(facts in facts(), at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let (mut bytes, _) = written(facts);
        prop_assume!(!bytes.is_empty());
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        prop_assert!(parse(&bytes).is_err());
    }

    #[test]
    fn no_bytes_at_all_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(contents) = parse(&bytes) {
            prop_assert!(contents.events.is_empty());
        }
    }
}

#[test]
fn lines_that_are_missing_doubled_swapped_or_glued_are_damage() {
    let (bytes, _) = written(some_facts());
    let lines: Vec<&[u8]> = bytes.split_inclusive(|&b| b == b'\n').collect();
    let [a, b, c] = lines[..] else {
        panic!("three lines");
    };
    for (what, bytes) in [
        ("missing", [a, c].concat()),
        ("the first missing", [b, c].concat()),
        ("doubled", [a, b, c, c].concat()),
        ("swapped", [b, a, c].concat()),
        ("glued", [a, &b[..20], c].concat()),
        ("an empty line", [a, b"\n", b, c].concat()),
        (
            "another journal's",
            [a, &written(vec![ended(7), ended(8)]).0].concat(),
        ),
    ] {
        let error = refused(&bytes);
        assert_eq!(code_of(&error), ExitCode::Bug, "{what}");
        assert_eq!(
            hint_of(&error),
            Some("dynwf doctor --repair refactor"),
            "{what}"
        );
    }
}

#[test]
fn damage_is_named_with_its_place() {
    let (mut bytes, _) = written(some_facts());
    let second = bytes.iter().position(|&b| b == b'\n').expect("a line") + 1;
    bytes[second + 30] ^= 1;
    let error = refused(&bytes);
    let place = format!("line 2 (byte {second}) of w/refactor/journal.jsonl");
    assert!(error.to_string().contains(&place), "{error}");
}

#[test]
fn what_a_newer_dynwf_wrote_is_refused_as_such() {
    let (bytes, _) = written(vec![ended(0)]);
    let text = String::from_utf8(bytes).expect("is text");
    for (old, new) in [
        ("\"v\":1", "\"v\":2"),
        ("RunEnded", "RunPaused"),
        ("{\"code\":0}", "[0, 1]"),
    ] {
        let rest = text
            .trim_end()
            .split_once(',')
            .expect("a check")
            .1
            .replace(old, new);
        let line = format!(
            "{{\"crc\":\"{:08x}\",{rest}\n",
            crc32fast::hash(rest.as_bytes())
        );
        let error = refused(line.as_bytes());
        assert_eq!(code_of(&error), ExitCode::Usage, "{error}");
        assert!(error.to_string().contains("newer"), "{error}");
    }
}

#[test]
fn a_torn_tail_is_kept_aside_and_the_journal_goes_on() {
    let place = Place::new();
    let mut journal = place.open();
    for fact in some_facts() {
        journal.append(vec![fact], now()).expect("appends");
    }
    drop(journal);
    let bytes = fs::read(place.journal()).expect("reads");
    for (number, length) in [(1, bytes.len() - 1), (2, bytes.len() - 50)] {
        fs::write(place.journal(), &bytes[..length]).expect("cuts");
        assert_eq!(
            place.store.events(&slug()).expect("reads").len(),
            2,
            "a reader is not disturbed"
        );
        let (mut journal, state) = Journal::open(&place.store, &slug()).expect("opens");
        assert_eq!(state.seq, 2);
        let kept = journal.torn().expect("a tail was cut").to_owned();
        assert_eq!(
            kept,
            place
                .store
                .folder(&slug())
                .join(format!("journal.torn-{number}"))
        );
        assert!(bytes[..length].ends_with(&fs::read(kept).expect("reads")));
        journal.append(vec![ended(9)], now()).expect("appends");
        drop(journal);
        let events = place.store.events(&slug()).expect("reads");
        assert_eq!(events[2].kind, ended(9));
        assert_eq!(events.len(), 3);
    }
}

#[test]
fn a_damaged_journal_is_neither_opened_nor_changed() {
    let place = Place::new();
    place.open().append(some_facts(), now()).expect("appends");
    let mut bytes = fs::read(place.journal()).expect("reads");
    bytes[40] ^= 1;
    fs::write(place.journal(), &bytes).expect("damages it");
    let error = Journal::open(&place.store, &slug()).expect_err("is damaged");
    assert_eq!(hint_of(&error), Some("dynwf doctor --repair refactor"));
    assert!(place.store.read(&slug()).is_err());
    assert_eq!(fs::read(place.journal()).expect("reads"), bytes);
}

#[test]
fn a_repair_cuts_at_the_last_good_record_and_keeps_everything_aside() {
    let place = Place::new();
    let (mut journal, _) = Journal::open(&place.store, &slug()).expect("opens");
    for fact in some_facts() {
        journal.append(vec![fact], now()).expect("appends");
    }
    drop(journal);
    let path = place.store.journal(&slug());
    let good = fs::read(&path).expect("is there");
    let repair = || crate::journal::repair(&place.store, &slug());
    assert_eq!(repair().expect("looks"), None, "nothing is wrong with it");
    let mut bad = good.clone();
    let second = good.iter().position(|&b| b == b'\n').expect("a line") + 20;
    bad[second] ^= 1;
    fs::write(&path, &bad).expect("can be written");
    let unit = place.store.units(&slug()).join("7");
    fs::create_dir_all(&unit).expect("can be made");
    let error = place.store.read(&slug()).expect_err("it is damaged");
    let hint = format!("dynwf doctor --repair {}", slug());
    assert_eq!(hint_of(&error), Some(hint.as_str()));
    let done = repair().expect("repairs").expect("something was wrong");
    assert_eq!((done.kept, done.cut), (1, 2));
    assert_eq!(fs::read(&done.copy).expect("was kept"), bad);
    assert!(
        !unit.exists(),
        "the next unit 7 would take its result for its own"
    );
    assert!(
        place
            .store
            .folder(&slug())
            .join("journal.damaged-1.units/7")
            .is_dir()
    );
    let state = place
        .store
        .read(&slug())
        .expect("is whole")
        .expect("has a record");
    assert_eq!(state.seq, 1);
    assert_eq!(repair().expect("looks again"), None);
}

#[test]
fn a_repair_leaves_no_half_of_what_was_written_together() {
    let place = Place::new();
    let (mut journal, _) = Journal::open(&place.store, &slug()).expect("opens");
    journal.append(vec![ended(1)], now()).expect("appends");
    journal.append(some_facts(), now()).expect("appends");
    drop(journal);
    let path = place.store.journal(&slug());
    let mut bytes = fs::read(&path).expect("is there");
    let at = bytes.len() - 20;
    bytes[at] ^= 1;
    fs::write(&path, &bytes).expect("damages the last record");
    let done = crate::journal::repair(&place.store, &slug())
        .expect("repairs")
        .expect("something was wrong");
    assert_eq!((done.kept, done.cut), (1, 3));
    let (_, state) = Journal::open(&place.store, &slug()).expect("is whole");
    assert_eq!(state.seq, 1);
}
