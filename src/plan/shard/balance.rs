//! Packets that are about as large as each other.
//!
//! Sets that must stay together are grown by what history changes together, as long as no set becomes larger than a
//! packet should be. Large sets go to the emptiest packet, the largest first; the rest is poured in the order of the
//! paths, so that neighbours stay neighbours and scopes stay short. The same input gives the same answer.

use std::cmp::Reverse;

use super::piece::{Piece, Ties};
use super::together::Pair;

/// A set above this share of a packet (one in so many) is placed by its size.
const LARGE: u64 = 8;

/// Packets that are closer than this share of a packet (one in so many) are left as they are.
const CLOSE: u64 = 50;

/// How many sets are moved at most, for each packet.
const MOVES: usize = 4;

/// Puts pieces into at most `most` packets; each is a list of pieces in the order of their paths.
pub(in crate::plan) fn balance(
    pieces: &[Piece],
    ties: &mut Ties,
    together: &[Pair],
    most: usize,
) -> Vec<Vec<usize>> {
    let weight = |piece: usize| pieces[piece].bytes.max(1);
    let total: u64 = (0..pieces.len()).map(weight).sum();
    let count = most.clamp(1, pieces.len().max(1));
    let ideal = total.div_ceil(count as u64);
    grow(ties, together, ideal, weight, pieces.len());
    let sets: Vec<Set> = ties
        .sets()
        .into_iter()
        .map(|set| (set.iter().map(|&piece| weight(piece)).sum(), set))
        .collect();
    let mut loads = vec![0_u64; count];
    let mut packets: Vec<Vec<&Set>> = vec![Vec::new(); count];
    let is_large = |set: &&Set| set.0 * LARGE > ideal;
    let (mut large, small): (Vec<&Set>, Vec<&Set>) = sets.iter().partition(is_large);
    large.sort_by_key(|(size, set)| (Reverse(*size), set[0]));
    for set in large {
        let emptiest = (0..count).min_by_key(|&at| (loads[at], at)).unwrap_or(0);
        loads[emptiest] += set.0;
        packets[emptiest].push(set);
    }
    pour(&small, &mut loads, &mut packets);
    even_out(&mut loads, &mut packets, ideal);
    let mut packets: Vec<Vec<usize>> = packets
        .into_iter()
        .filter(|sets| !sets.is_empty())
        .map(|sets| {
            sets.iter()
                .flat_map(|(_, set)| set.iter().copied())
                .collect()
        })
        .collect();
    for packet in &mut packets {
        packet.sort_unstable();
    }
    packets.sort();
    packets
}

/// Pieces that stay together, and how much they weigh.
type Set = (u64, Vec<usize>);

/// Ties what history changes together, the closest first, up to the size of a packet.
fn grow(
    ties: &mut Ties,
    together: &[Pair],
    ideal: u64,
    weight: impl Fn(usize) -> u64,
    pieces: usize,
) {
    let mut sizes = vec![0_u64; pieces];
    for piece in 0..pieces {
        sizes[ties.first(piece)] += weight(piece);
    }
    for pair in together {
        let (one, other) = (ties.first(pair.one), ties.first(pair.other));
        if one != other && sizes[one] + sizes[other] <= ideal {
            ties.tie(one, other);
            let size = sizes[one] + sizes[other];
            sizes[ties.first(one)] = size;
        }
    }
}

/// Fills packets up to the same level, one after another.
fn pour<'a>(sets: &[&'a Set], loads: &mut [u64], packets: &mut [Vec<&'a Set>]) {
    let poured: u64 = sets.iter().map(|(size, _)| size).sum();
    let level = level(loads, poured);
    // Where each packet's share of what is poured ends.
    let mut ends = Vec::with_capacity(loads.len());
    let mut end = 0;
    for load in loads.iter() {
        end += level.saturating_sub(*load);
        ends.push(end);
    }
    let (mut at, mut before) = (0, 0);
    for &set in sets {
        // A set belongs where its middle lies.
        while at + 1 < packets.len() && before + set.0 / 2 >= ends[at] {
            at += 1;
        }
        packets[at].push(set);
        loads[at] += set.0;
        before += set.0;
    }
}

/// Moves single sets from the fullest packet to the emptiest while that brings them closer, and they are far apart.
fn even_out(loads: &mut [u64], packets: &mut [Vec<&Set>], ideal: u64) {
    for _ in 0..MOVES * packets.len() {
        let full = (0..loads.len()).max_by_key(|&at| (loads[at], Reverse(at)));
        let empty = (0..loads.len()).min_by_key(|&at| (loads[at], at));
        let (Some(full), Some(empty)) = (full, empty) else {
            return;
        };
        let apart = loads[full] - loads[empty];
        if apart * CLOSE <= ideal {
            return;
        }
        let fits = |set: &&&Set| set.0 < apart;
        let gain = |set: &Set| (set.0 * 2).abs_diff(apart);
        let best = packets[full]
            .iter()
            .filter(fits)
            .min_by_key(|set| gain(set));
        let Some(best) = best.map(|set| set.1[0]) else {
            return;
        };
        let place = packets[full].iter().position(|set| set.1[0] == best);
        let Some(set) = place.map(|place| packets[full].remove(place)) else {
            return;
        };
        loads[full] -= set.0;
        loads[empty] += set.0;
        packets[empty].push(set);
    }
}

/// How high all stand when so much is poured into the lowest.
fn level(loads: &[u64], poured: u64) -> u64 {
    let mut sorted = loads.to_vec();
    sorted.sort_unstable();
    let mut rest = poured;
    for at in 0..sorted.len() {
        let low = sorted[at];
        let filled = at as u64 + 1;
        let next = sorted.get(at + 1).copied().unwrap_or(u64::MAX);
        if rest <= (next - low).saturating_mul(filled) {
            return low + rest.div_ceil(filled);
        }
        rest -= (next - low) * filled;
    }
    u64::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(sizes: &[u64]) -> Vec<Piece> {
        let piece = |(at, &bytes): (usize, &u64)| Piece {
            path: format!("{at:04}").as_str().into(),
            bytes,
        };
        sizes.iter().enumerate().map(piece).collect()
    }

    fn loads(pieces: &[Piece], packets: &[Vec<usize>]) -> Vec<u64> {
        let load = |packet: &Vec<usize>| packet.iter().map(|&at| pieces[at].bytes).sum();
        packets.iter().map(load).collect()
    }

    #[test]
    fn packets_are_about_as_large_as_each_other() {
        let mut sizes: Vec<u64> = (0..500).map(|n| 10 + n * 7919 % 97).collect();
        sizes.extend([9000, 4000, 300]);
        let pieces = pieces(&sizes);
        let packets = balance(&pieces, &mut Ties::none(pieces.len()), &[], 6);
        let loads = loads(&pieces, &packets);
        assert_eq!(loads.len(), 6);
        let mut rest: Vec<u64> = loads.iter().copied().filter(|&load| load < 9000).collect();
        rest.sort_unstable();
        assert!(rest[rest.len() - 1] - rest[0] <= 200, "{loads:?}");
        let mut all: Vec<usize> = packets.concat();
        all.sort_unstable();
        assert_eq!(all, (0..pieces.len()).collect::<Vec<_>>());
    }

    #[test]
    fn what_changes_together_stays_together_up_to_the_size_of_a_packet() {
        let pieces = pieces(&[10; 12]);
        let pair = |one, other, times| Pair { one, other, times };
        let close = [pair(0, 11, 9), pair(3, 8, 5), pair(0, 3, 4), pair(1, 0, 2)];
        let packets = balance(&pieces, &mut Ties::none(12), &close, 3);
        assert_eq!(loads(&pieces, &packets), [40, 40, 40]);
        let packet_of = |piece| packets.iter().position(|packet| packet.contains(&piece));
        assert_eq!(packet_of(0), packet_of(11));
        assert_eq!(packet_of(3), packet_of(8));
        assert_eq!(packet_of(0), packet_of(3));
        assert_ne!(packet_of(0), packet_of(1));
    }

    #[test]
    fn more_packets_than_pieces_and_empty_files_are_no_trouble() {
        let pieces = pieces(&[0, 0, 0]);
        let packets = balance(&pieces, &mut Ties::none(3), &[], 8);
        assert_eq!(packets, [vec![0], vec![1], vec![2]]);
    }
}
