//! The inbox.

use std::fs;

use super::{Place, now, slug};
use crate::journal::{Found, Inbox};
use crate::model::id::RequestId;
use crate::model::request::{Request, RequestBody};

fn request(id: &str) -> Request {
    Request {
        id: id.parse().expect("an id"),
        at: now(),
        by: "A <a@example.org>".to_owned(),
        attended: true,
        body: RequestBody::Stop,
    }
}

fn ids(found: &[Found]) -> Vec<String> {
    found
        .iter()
        .map(|found| match found {
            Found::Request(request) => request.id.to_string(),
            Found::Bad { .. } => "bad".to_owned(),
        })
        .collect()
}

#[test]
fn requests_are_listed_by_age_until_they_are_removed() {
    let place = Place::new();
    let inbox = place.store.inbox(&slug());
    assert!(inbox.list().expect("lists nothing").is_empty());
    for id in ["2-b", "1-a", "3-c"] {
        inbox.leave(&request(id)).expect("is left");
    }
    inbox
        .leave(&request("2-b"))
        .expect("leaving it again changes nothing");
    assert_eq!(ids(&inbox.list().expect("lists")), ["1-a", "2-b", "3-c"]);
    let first: RequestId = "1-a".parse().expect("an id");
    inbox.remove(&first).expect("is removed");
    inbox.remove(&first).expect("is gone already");
    assert_eq!(ids(&inbox.list().expect("lists")), ["2-b", "3-c"]);
    assert_eq!(inbox.pending().expect("lists").len(), 2);
}

#[test]
fn a_request_never_takes_anothers_place() {
    let place = Place::new();
    let inbox = place.store.inbox(&slug());
    inbox.leave(&request("1-a")).expect("is left");
    let other = Request {
        by: "B <b@example.org>".to_owned(),
        ..request("1-a")
    };
    assert!(inbox.leave(&other).is_err());
    assert_eq!(inbox.pending().expect("lists"), [request("1-a")]);
}

#[test]
fn ids_made_later_sort_later_and_never_meet() {
    let later = now() + jiff::SignedDuration::from_millis(1);
    let old = Inbox::new_id(now()).expect("an id");
    let twin = Inbox::new_id(now()).expect("an id");
    assert!(old < Inbox::new_id(later).expect("an id"));
    assert_ne!(old, twin);
}

#[test]
fn what_is_no_request_is_reported_once_and_kept() {
    let place = Place::new();
    let inbox = place.store.inbox(&slug());
    inbox.leave(&request("5-e")).expect("is left");
    let folder = place.store.folder(&slug()).join("inbox");
    fs::write(folder.join(".new-half"), "{").expect("writes");
    fs::write(folder.join("1-a.json"), "{\"id\":").expect("writes");
    fs::write(
        folder.join("2-b.json"),
        serde_json::to_vec(&request("9-z")).expect("text"),
    )
    .expect("writes");
    fs::create_dir(folder.join("3-c.json")).expect("a folder");
    std::os::unix::fs::symlink("/dev/zero", folder.join("4-d.json")).expect("a link");
    assert_eq!(inbox.pending().expect("lists"), [request("5-e")]);
    let found = inbox.list().expect("lists");
    assert_eq!(ids(&found), ["bad", "bad", "bad", "bad", "5-e"]);
    let Found::Bad { file, why } = &found[1] else {
        panic!("{found:?}");
    };
    assert!(file.is_file() && why.contains("9-z"), "{why}");
    assert_eq!(ids(&inbox.list().expect("lists")), ["5-e"]);
}
