//! In which order packets run: what each one starts from, once `after` and overlapping scopes are put together.
//!
//! [`effective_after`] is the only answer to "what does this packet wait for"; everybody who orders packets
//! uses it. It compares every pair of scopes, so callers keep the answer rather than ask again.

use std::collections::{BTreeMap, BTreeSet};

use super::meet::{fixed, meet};
use crate::model::id::PacketId;
use crate::model::plan::{Overlap, Packet, Plan};

/// Two packets that may run together and may write the same path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meeting {
    /// The index of the earlier packet of the plan.
    pub first: usize,
    /// The index of the later one.
    pub second: usize,
    /// Which pattern of each scope, the earlier packet's first.
    pub patterns: (usize, usize),
    /// A path that both patterns cover; no such file needs to exist.
    pub path: String,
}

/// Returns what each packet waits for: its `after` (in the plan's order, known ids only, each once), and with
/// `overlap = "serialize"` the earlier packets of the plan that may write the same files. The result has no
/// cycle if the plan's own `after` has none.
pub fn effective_after(plan: &Plan) -> BTreeMap<PacketId, Vec<PacketId>> {
    let mut needs = Needs::of(plan);
    if plan.integration.overlap == Overlap::Serialize {
        let scopes = Scopes::of(plan);
        for second in 0..plan.packets.len() {
            // The nearest first: what it waits for itself needs no order of its own.
            for first in (0..second).rev() {
                if !needs.ordered(first, second) && scopes.meeting(first, second).is_some() {
                    needs.add(second, first);
                }
            }
        }
    }
    let id = |index: usize| plan.packets[index].id.clone();
    let lists = needs.direct.iter().enumerate();
    lists
        .map(|(packet, needs)| (id(packet), needs.iter().map(|&need| id(need)).collect()))
        .collect()
}

/// Returns the packets in waves: all packets of a wave can run together once the waves before it are
/// integrated. Packets on a cycle are in no wave.
pub fn waves(plan: &Plan) -> Vec<Vec<PacketId>> {
    let after = effective_after(plan);
    let mut left: Vec<&Packet> = plan.packets.iter().collect();
    let mut waves: Vec<Vec<PacketId>> = Vec::new();
    while !left.is_empty() {
        let open: BTreeSet<&PacketId> = left.iter().map(|packet| &packet.id).collect();
        let waits = |packet: &&Packet| {
            let mut needs = after.get(&packet.id).into_iter().flatten();
            needs.any(|need| open.contains(need))
        };
        let (later, now): (Vec<&Packet>, Vec<&Packet>) = left.iter().copied().partition(waits);
        if now.is_empty() {
            break;
        }
        waves.push(now.iter().map(|packet| packet.id.clone()).collect());
        left = later;
    }
    waves
}

/// Returns every pair of packets that may run together (neither waits for the other by `after`) and may write
/// the same path.
pub fn meetings(plan: &Plan) -> Vec<Meeting> {
    let needs = Needs::of(plan);
    let scopes = Scopes::of(plan);
    let mut found = Vec::new();
    for second in 0..plan.packets.len() {
        for first in 0..second {
            if !needs.ordered(first, second) {
                found.extend(scopes.meeting(first, second));
            }
        }
    }
    found
}

/// Returns a cycle of `after`, if there is one: the indices of its packets, each of which needs the next, and
/// the last of which needs the first. It begins with the packet that the plan lists first.
pub fn cycle(plan: &Plan) -> Option<Vec<usize>> {
    let needs = Needs::of(plan);
    let start = (0..plan.packets.len()).find(|&packet| needs.reaches(packet, packet))?;
    let mut road = vec![start];
    let mut at = start;
    loop {
        let back = |next: &&usize| **next == start || needs.reaches(**next, start);
        let next = *needs.direct[at].iter().find(back)?;
        if next == start {
            return Some(road);
        }
        if let Some(again) = road.iter().position(|&seen| seen == next) {
            return Some(road.split_off(again));
        }
        road.push(next);
        at = next;
    }
}

/// The patterns of every packet that writes, each with its fixed beginning, by which most pairs are told apart.
struct Scopes<'a> {
    patterns: Vec<Vec<(&'a str, &'a str)>>,
}

impl<'a> Scopes<'a> {
    fn of(plan: &'a Plan) -> Self {
        let of_packet = |packet: &'a Packet| -> Vec<(&str, &str)> {
            let writes = packet.expects_commit();
            let scope = packet.scope.iter().filter(|_| writes);
            scope
                .map(|pattern| (fixed(pattern), pattern.as_str()))
                .collect()
        };
        Self {
            patterns: plan.packets.iter().map(of_packet).collect(),
        }
    }

    fn meeting(&self, first: usize, second: usize) -> Option<Meeting> {
        for (j, (right, b)) in self.patterns[second].iter().enumerate() {
            for (i, (left, a)) in self.patterns[first].iter().enumerate() {
                if !left.starts_with(right) && !right.starts_with(left) {
                    continue;
                }
                if let Some(path) = meet(a, b) {
                    return Some(Meeting {
                        first,
                        second,
                        patterns: (i, j),
                        path,
                    });
                }
            }
        }
        None
    }
}

/// Who needs whom, directly and in the end, by index.
struct Needs {
    direct: Vec<Vec<usize>>,
    all: Vec<Vec<bool>>,
}

impl Needs {
    fn of(plan: &Plan) -> Self {
        let count = plan.packets.len();
        let mut index: BTreeMap<&PacketId, usize> = BTreeMap::new();
        for (at, packet) in plan.packets.iter().enumerate() {
            index.entry(&packet.id).or_insert(at);
        }
        let mut needs = Self {
            direct: vec![Vec::new(); count],
            all: vec![vec![false; count]; count],
        };
        for (at, packet) in plan.packets.iter().enumerate() {
            for &need in packet.after.iter().filter_map(|id| index.get(id)) {
                if !needs.direct[at].contains(&need) {
                    needs.add(at, need);
                }
            }
        }
        needs
    }

    fn reaches(&self, from: usize, to: usize) -> bool {
        self.all[from][to]
    }

    fn ordered(&self, a: usize, b: usize) -> bool {
        self.all[a][b] || self.all[b][a]
    }

    /// Records that `packet` needs `need`, and whatever follows from it.
    fn add(&mut self, packet: usize, need: usize) {
        self.direct[packet].push(need);
        if self.all[packet][need] {
            return;
        }
        let mut gained = self.all[need].clone();
        gained[need] = true;
        for from in 0..self.all.len() {
            if from == packet || self.all[from][packet] {
                for (own, new) in self.all[from].iter_mut().zip(&gained) {
                    *own |= new;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::parse::parse_toml;

    fn plan(overlap: &str, packets: &[(&str, &str, &str)]) -> Plan {
        let mut text = format!("goal = \"g\"\n[integration]\noverlap = \"{overlap}\"\n");
        for (id, scope, after) in packets {
            text.push_str(&format!(
                "[[packet]]\nid = \"{id}\"\nobjective = \"o\"\nscope = [\"{scope}\"]\nrun = \"true\"\nafter = [{after}]\n"
            ));
        }
        parse_toml(&text, "plan.toml").expect("good").0
    }

    fn shown(after: &BTreeMap<PacketId, Vec<PacketId>>) -> Vec<String> {
        let line = |(id, needs): (&PacketId, &Vec<PacketId>)| {
            let needs: Vec<&str> = needs.iter().map(PacketId::as_str).collect();
            format!("{id}: {}", needs.join(" "))
        };
        after.iter().map(line).collect()
    }

    #[test]
    fn serialize_adds_an_order_only_where_there_is_none() {
        let packets = [
            ("a", "src/**", ""),
            ("b", "src/x", ""),
            ("c", "docs", ""),
            ("d", "src/x", "\"b\""),
            ("e", "src/y", ""),
            ("f", "src/x", ""),
        ];
        let after = effective_after(&plan("serialize", &packets));
        assert_eq!(
            shown(&after),
            ["a: ", "b: a", "c: ", "d: b", "e: a", "f: d"]
        );
        let after = effective_after(&plan("allow", &packets));
        assert_eq!(shown(&after), ["a: ", "b: ", "c: ", "d: b", "e: ", "f: "]);
    }

    #[test]
    fn serialize_never_makes_a_cycle() {
        let packets = [
            ("a", "src/**", "\"c\""),
            ("b", "src/**", ""),
            ("c", "src/**", ""),
        ];
        let plan = plan("serialize", &packets);
        // `c` comes before `a` as the plan says; `b` after `a`, and so after `c` too.
        assert_eq!(shown(&effective_after(&plan)), ["a: c", "b: a", "c: "]);
        let waves: Vec<Vec<String>> = waves(&plan)
            .iter()
            .map(|wave| wave.iter().map(ToString::to_string).collect())
            .collect();
        assert_eq!(waves, [["c"], ["a"], ["b"]]);
    }

    #[test]
    fn packets_of_a_wave_can_run_together() {
        let packets = [
            ("a", "a", ""),
            ("b", "b", ""),
            ("c", "c", "\"a\", \"b\""),
            ("d", "d", "\"a\""),
        ];
        let waves = waves(&plan("error", &packets));
        assert_eq!(waves.len(), 2);
        assert_eq!(
            waves[1].iter().map(PacketId::as_str).collect::<Vec<_>>(),
            ["c", "d"]
        );
    }

    #[test]
    fn a_cycle_is_found_whole() {
        let packets = [
            ("a", "a", "\"b\""),
            ("b", "b", "\"c\""),
            ("c", "c", "\"d\", \"b\""),
            ("d", "d", ""),
        ];
        assert_eq!(cycle(&plan("error", &packets)), Some(vec![1, 2]));
        let own = [("a", "a", "\"a\"")];
        assert_eq!(cycle(&plan("error", &own)), Some(vec![0]));
        let none = [("a", "a", "\"b\""), ("b", "b", "")];
        assert_eq!(cycle(&plan("error", &none)), None);
    }

    #[test]
    fn packets_that_wait_for_each_other_do_not_meet() {
        let packets = [
            ("a", "x", ""),
            ("b", "y", "\"a\""),
            ("c", "x", "\"b\""),
            ("d", "x", ""),
        ];
        let pairs: Vec<_> = meetings(&plan("error", &packets))
            .iter()
            .map(|meeting| (meeting.first, meeting.second, meeting.path.clone()))
            .collect();
        assert_eq!(pairs, [(0, 3, "x".to_owned()), (2, 3, "x".to_owned())]);
    }
}
