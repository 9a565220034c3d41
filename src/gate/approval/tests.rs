//! What an approval covers, and what it does not.

use super::*;
use crate::gate::{binding_for_land, binding_for_push};
use crate::model::gate::{Decision, Gate, GateKind, LandPlan};
use crate::model::id::{CommitId, GateId};

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn opened() -> Timestamp {
    time("2026-03-01T10:00:00Z")
}

fn commit(digit: char) -> CommitId {
    digit.to_string().repeat(40).parse().expect("an id")
}

fn binding(old: char, new: char) -> Binding {
    let main = "refs/heads/main".parse().expect("a name");
    binding_for_land(
        "repo",
        &Policy::default(),
        &main,
        &commit(old),
        &commit(new),
        "d".to_owned(),
    )
}

fn gate(status: GateStatus) -> Gate {
    Gate {
        id: GateId::land(),
        kind: GateKind::Land,
        binding: binding('1', '2'),
        why: Vec::new(),
        status,
        opened: opened(),
        decision: None,
    }
}

fn approved() -> Gate {
    gate(GateStatus::Approved {
        until: time("2026-03-02T10:00:00Z"),
    })
}

fn plan(binding: Binding) -> LandPlan {
    LandPlan {
        gate: GateId::land(),
        binding,
        packets: Vec::new(),
    }
}

fn request(body: RequestBody) -> Request {
    Request {
        id: "1-a".parse().expect("an id"),
        at: opened(),
        by: "A <a@example.org>".to_owned(),
        attended: true,
        body,
    }
}

fn approval(binding: Binding) -> RequestBody {
    RequestBody::Approve {
        gate: GateId::land(),
        binding,
    }
}

#[test]
fn an_approval_is_redeemed_for_exactly_what_it_is_bound_to() {
    let good = redeem(&approved(), plan(binding('1', '2')), OpId(9), opened()).expect("is covered");
    assert_eq!(
        (good.op(), good.transition().binding.clone()),
        (OpId(9), binding('1', '2'))
    );
    for (other, word) in [
        (binding('1', '3'), "new value"),
        (binding('3', '2'), "old value"),
    ] {
        let why = redeem(&approved(), plan(other), OpId(9), opened()).expect_err("is another move");
        assert!(why.contains(word), "{why}");
    }
    let mut policy = binding('1', '2');
    policy.policy = "another".to_owned();
    assert!(redeem(&approved(), plan(policy), OpId(9), opened()).is_err());
    let other = LandPlan {
        gate: "push:origin".parse().expect("an id"),
        ..plan(binding('1', '2'))
    };
    assert!(redeem(&approved(), other, OpId(9), opened()).is_err());
}

#[test]
fn every_field_of_a_push_is_bound() {
    let made = |remote: &str, url: &str| {
        binding_for_push(
            "repo",
            &Policy::default(),
            remote,
            url,
            Vec::new(),
            String::new(),
        )
    };
    let shown = made("origin", "https://u:p@host/a");
    assert_eq!(shown.difference(&made("origin", "https://host/a")), None);
    assert!(shown.difference(&made("fork", "https://host/a")).is_some());
    assert!(
        shown
            .difference(&made("origin", "https://evil/a"))
            .is_some()
    );
    let elsewhere = Binding {
        repository: "other".to_owned(),
        ..shown.clone()
    };
    assert!(shown.difference(&elsewhere).is_some());
}

#[test]
fn only_a_good_approval_is_redeemed() {
    for status in [
        GateStatus::Waiting,
        GateStatus::Denied,
        GateStatus::Expired,
        GateStatus::Revoked,
        GateStatus::Consumed {
            by: 8,
            until: opened(),
        },
        GateStatus::Approved { until: opened() },
    ] {
        let word = status.word();
        assert!(
            redeem(&gate(status), plan(binding('1', '2')), OpId(9), opened()).is_err(),
            "{word}"
        );
    }
}

#[test]
fn what_spent_it_may_go_on_with_it_and_nothing_else_may() {
    let spent = gate(GateStatus::Consumed {
        by: 9,
        until: opened(),
    });
    let late = time("2027-01-01T00:00:00Z");
    assert!(redeem(&spent, plan(binding('1', '2')), OpId(9), late).is_ok());
    assert!(redeem(&spent, plan(binding('1', '2')), OpId(10), opened()).is_err());
    assert!(redeem(&spent, plan(binding('1', '3')), OpId(9), opened()).is_err());
    assert!(covers(&spent, &binding('1', '2'), opened()).is_err());
}

#[test]
fn a_clock_that_was_set_back_is_not_believed() {
    let near = time("2026-03-01T09:55:00Z");
    let far = time("2026-03-01T09:54:59Z");
    assert!(covers(&approved(), &binding('1', '2'), near).is_ok());
    assert!(
        covers(&approved(), &binding('1', '2'), far)
            .expect_err("too far")
            .contains("clock")
    );
    let decided = Gate {
        decision: Some(Decision {
            by: String::new(),
            at: time("2026-03-01T12:00:00Z"),
            attended: true,
            why: String::new(),
        }),
        ..approved()
    };
    assert!(covers(&decided, &binding('1', '2'), opened()).is_err());
    let request = request(approval(binding('1', '2')));
    let waiting = gate(GateStatus::Waiting);
    assert!(answer(Some(&waiting), &request, &Policy::default(), far).is_err());
}

#[test]
fn an_answer_becomes_a_fact() {
    let waiting = gate(GateStatus::Waiting);
    let policy = Policy {
        expires_hours: 2,
        ..Policy::default()
    };
    let fact = answer(
        Some(&waiting),
        &request(approval(binding('1', '2'))),
        &policy,
        opened(),
    );
    let EventKind::GateDecided {
        gate: id,
        answer: given,
        attended,
        ..
    } = fact.expect("is taken")
    else {
        panic!("another fact");
    };
    let until = time("2026-03-01T12:00:00Z");
    assert_eq!(
        (id, given, attended),
        (GateId::land(), Answer::Approved { until }, true)
    );
    let no = request(RequestBody::Deny {
        gate: GateId::land(),
        why: "too big".to_owned(),
    });
    let fact = answer(Some(&waiting), &no, &policy, opened()).expect("is taken");
    assert!(
        matches!(fact, EventKind::GateDecided { answer: Answer::Denied, why, .. } if why == "too big")
    );
    let back = request(RequestBody::Revoke {
        gate: GateId::land(),
    });
    let fact = answer(Some(&approved()), &back, &policy, opened()).expect("is taken");
    assert!(matches!(
        fact,
        EventKind::GateDecided {
            answer: Answer::Revoked,
            ..
        }
    ));
}

#[test]
fn answers_that_come_too_late_or_for_something_else_are_refused() {
    let policy = Policy::default();
    let yes = request(approval(binding('1', '2')));
    let no = request(RequestBody::Deny {
        gate: GateId::land(),
        why: String::new(),
    });
    let back = request(RequestBody::Revoke {
        gate: GateId::land(),
    });
    let consumed = gate(GateStatus::Consumed {
        by: 1,
        until: opened(),
    });
    // The no to a landing or a push settles nothing and may become a yes; that to a merge rejected the packet.
    let denied_merge = Gate {
        kind: GateKind::Merge,
        ..gate(GateStatus::Denied)
    };
    assert!(answer(Some(&gate(GateStatus::Denied)), &yes, &policy, opened()).is_ok());
    for (gate, request) in [
        (None, &yes),
        (Some(&approved()), &yes),
        (Some(&consumed), &yes),
        (Some(&consumed), &no),
        (Some(&consumed), &back),
        (Some(&denied_merge), &yes),
        (Some(&gate(GateStatus::Waiting)), &back),
        (
            Some(&gate(GateStatus::Waiting)),
            &request(approval(binding('1', '3'))),
        ),
        (
            Some(&gate(GateStatus::Waiting)),
            &request(RequestBody::Stop),
        ),
    ] {
        assert!(
            answer(gate, request, &policy, opened()).is_err(),
            "{gate:?} {request:?}"
        );
    }
    let expired = gate(GateStatus::Expired);
    assert!(answer(Some(&expired), &yes, &policy, opened()).is_ok());
}

#[test]
fn an_unattended_answer_counts_only_where_the_configuration_allows_it() {
    let waiting = gate(GateStatus::Waiting);
    let yes = Request {
        attended: false,
        ..request(approval(binding('1', '2')))
    };
    assert!(answer(Some(&waiting), &yes, &Policy::default(), opened()).is_ok());
    let strict = Policy {
        unattended: false,
        ..Policy::default()
    };
    assert!(
        answer(Some(&waiting), &yes, &strict, opened())
            .expect_err("is refused")
            .contains("terminal")
    );
}
