//! Tests of the journal: what is on disk after which accident.

mod arbitrary;
mod damage;
mod inbox;

use std::fs;
use std::path::PathBuf;

use jiff::Timestamp;
use tempfile::TempDir;

use super::{Journal, Store};
use crate::error::{ExitCode, code_of, hint_of};
use crate::model::event::{Event, EventKind};
use crate::model::id::Slug;

/// A store in a folder of its own.
struct Place {
    dir: TempDir,
    store: Store,
}

impl Place {
    fn new() -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        let store = Store::new(dir.path());
        Self { dir, store }
    }

    fn journal(&self) -> PathBuf {
        self.store.folder(&slug()).join("journal.jsonl")
    }

    fn open(&self) -> Journal {
        Journal::open(&self.store, &slug()).expect("opens").0
    }
}

fn slug() -> Slug {
    "refactor".parse().expect("a slug")
}

fn now() -> Timestamp {
    "2026-03-01T10:00:00.123456789Z".parse().expect("a time")
}

fn ended(code: u8) -> EventKind {
    EventKind::RunEnded { code }
}

fn kinds(events: &[Event]) -> Vec<EventKind> {
    events.iter().map(|event| event.kind.clone()).collect()
}

#[test]
fn what_was_appended_is_read_again_and_numbers_go_on() {
    let place = Place::new();
    let mut journal = place.open();
    let first = journal
        .append(vec![ended(1), ended(2)], now())
        .expect("appends");
    assert_eq!(
        journal.append(Vec::new(), now()).expect("nothing to do"),
        []
    );
    drop(journal);
    let (mut journal, state) = Journal::open(&place.store, &slug()).expect("opens again");
    assert_eq!((state.seq, state.at), (2, Some(now())));
    let second = journal.append(vec![ended(3)], now()).expect("appends");
    assert_eq!(second[0].seq, 3);
    let all: Vec<Event> = first.into_iter().chain(second).collect();
    assert_eq!(
        place
            .store
            .events(&slug())
            .expect("reads beside the writer"),
        all
    );
    let state = place.store.read(&slug()).expect("reads").expect("is there");
    assert_eq!(state.seq, 3);
    assert!(journal.torn().is_none());
}

#[test]
fn the_head_is_what_the_next_line_continues() {
    let place = Place::new();
    let mut journal = place.open();
    assert_eq!(journal.head(), "0000000000000000");
    journal.append(vec![ended(1)], now()).expect("appends");
    let head = journal.head().to_owned();
    journal.append(vec![ended(2)], now()).expect("appends");
    let text = fs::read_to_string(place.journal()).expect("is text");
    let second = text.lines().nth(1).expect("a second line");
    assert!(
        second.contains(&format!("\"seq\":2,\"prev\":\"{head}\"")),
        "{second}"
    );
}

#[test]
fn a_workflow_that_was_never_recorded_is_none() {
    let place = Place::new();
    assert_eq!(place.store.read(&slug()).expect("reads"), None);
    assert!(place.store.workflows().expect("lists").is_empty());
    fs::create_dir_all(place.store.folder(&"empty".parse().expect("a slug"))).expect("a folder");
    fs::create_dir_all(place.dir.path().join("dynwf/w/No Slug")).expect("a folder");
    drop(place.open());
    assert_eq!(place.store.workflows().expect("lists"), [slug()]);
    assert_eq!(place.store.read(&slug()).expect("reads"), None);
}

#[test]
fn a_held_workflow_is_refused_with_its_holder_and_free_once_let_go() {
    let place = Place::new();
    assert!(!place.store.is_held(&slug()).expect("asks"));
    let journal = place.open();
    assert!(place.store.is_held(&slug()).expect("asks"));
    let error = Journal::open(&place.store, &slug()).expect_err("is held");
    assert_eq!(code_of(&error), ExitCode::Locked);
    let pid = std::process::id();
    assert_eq!(place.store.holder(&slug()), Some(pid));
    assert!(
        error.to_string().contains(&format!("process {pid}")),
        "{error}"
    );
    assert!(hint_of(&error).is_some_and(|hint| hint.contains("refactor")));
    drop(journal);
    assert!(!place.store.is_held(&slug()).expect("asks"));
    drop(place.open());
}

#[test]
fn other_workflows_are_not_held() {
    let place = Place::new();
    let _journal = place.open();
    let other = "other".parse().expect("a slug");
    drop(Journal::open(&place.store, &other).expect("is free"));
}

#[test]
fn the_common_lock_is_waited_for() {
    let place = Place::new();
    let guard = super::common_lock(place.dir.path()).expect("locks");
    let common = place.dir.path().to_owned();
    let (asks, asked) = std::sync::mpsc::channel();
    let (gets, got) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        asks.send(()).expect("somebody listens");
        let guard = super::common_lock(&common).expect("locks");
        gets.send(()).expect("somebody listens");
        drop(guard);
    });
    asked.recv().expect("it asks");
    assert!(got.try_recv().is_err());
    drop(guard);
    got.recv().expect("it gets the lock");
    thread.join().expect("ends");
}

#[test]
fn everybody_gets_the_same_repository_id() {
    let place = Place::new();
    let ids: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| place.store.repository_id().expect("makes or reads it")))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("ends"))
            .collect()
    });
    assert_eq!(ids[0].len(), 32);
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_ne!(
        Place::new().store.repository_id().expect("makes it"),
        ids[0]
    );
    fs::write(place.dir.path().join("dynwf/id"), "x").expect("writes");
    let error = place.store.repository_id().expect_err("is no id");
    assert_eq!(code_of(&error), ExitCode::Usage);
}
