//! What packets are called.

use std::collections::BTreeMap;

use anyhow::Result;

use super::piece::Piece;
use crate::model::id::PacketId;

/// The longest name before its number.
const LONGEST: usize = 48;

/// Returns the id of a packet: its number, as wide as that of the last one, and what it is called after.
///
/// # Errors
/// Never for a number of packets that a plan may have.
pub(in crate::plan) fn packet_id(at: usize, of: usize, name: &str) -> Result<PacketId> {
    let width = of.to_string().len().max(2);
    let name = word(name);
    let id = if name.is_empty() {
        format!("{:0width$}-part", at + 1)
    } else {
        format!("{:0width$}-{name}", at + 1)
    };
    Ok(id.parse()?)
}

/// The letters and digits of a text, in lower case, with `-` between them.
fn word(text: &str) -> String {
    let mut word = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            word.push(c.to_ascii_lowercase());
        } else if !word.is_empty() && !word.ends_with('-') {
            word.push('-');
        }
        if word.len() >= LONGEST {
            break;
        }
    }
    word.trim_end_matches('-').to_owned()
}

/// The directory that pieces lie in: the deepest that holds more than half of their bytes, else the one at the top that
/// holds most of them; `root` for files at the top.
pub(in crate::plan) fn place_of(pieces: &[Piece], members: &[usize]) -> String {
    let mut length = 0;
    let mut inside: Vec<&Piece> = members.iter().map(|&at| &pieces[at]).collect();
    let all: u64 = inside.iter().map(|piece| piece.bytes.max(1)).sum();
    loop {
        let mut folders: BTreeMap<&[u8], u64> = BTreeMap::new();
        for piece in &inside {
            let path = piece.path.as_bytes();
            let end = path[length..].iter().position(|&b| b == b'/');
            let name = end.map_or(&path[..length], |end| &path[..=length + end]);
            *folders.entry(name).or_default() += piece.bytes.max(1);
        }
        let most = folders.values().copied().max().unwrap_or(0);
        let found = folders.into_iter().find(|&(_, bytes)| bytes == most);
        let Some((folder, _)) = found
            .filter(|(folder, bytes)| folder.len() > length && (length == 0 || bytes * 2 > all))
        else {
            break;
        };
        length = folder.len();
        inside.retain(|piece| piece.path.as_bytes().starts_with(folder));
    }
    match inside.first() {
        Some(piece) if length > 0 => {
            String::from_utf8_lossy(&piece.path.as_bytes()[..length - 1]).into_owned()
        }
        _ => "root".to_owned(),
    }
}

/// The deepest directory that holds all paths, with its slash; empty for the top.
pub(in crate::plan) fn common_folder<'a>(paths: impl Iterator<Item = &'a [u8]>) -> &'a [u8] {
    let mut common: Option<&[u8]> = None;
    for path in paths {
        let end = path.iter().rposition(|&b| b == b'/').map_or(0, |at| at + 1);
        let folder = &path[..end];
        common = Some(match common {
            None => folder,
            Some(before) => {
                let same = before.iter().zip(folder).take_while(|(a, b)| a == b);
                let same = &before[..same.count()];
                let end = same.iter().rposition(|&b| b == b'/').map_or(0, |at| at + 1);
                &same[..end]
            }
        });
    }
    common.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_numbered_and_readable() {
        let id = |at, of, name| packet_id(at, of, name).expect("an id").to_string();
        assert_eq!(id(0, 9, "crates/core"), "01-crates-core");
        assert_eq!(id(99, 100, "@Org/Team_A"), "100-org-team-a");
        assert_eq!(id(1, 2, "…"), "02-part");
        let long = "long/".repeat(40);
        assert!(id(0, 2, &long).len() <= 64);
        assert_eq!(id(0, 1, "integration"), "01-integration");
    }

    #[test]
    fn a_packet_is_called_after_the_directory_that_it_lies_in() {
        let pieces: Vec<Piece> = ["a/b/x", "a/b/y/z", "a/bc/x", "top", "q/r"]
            .iter()
            .map(|&path| Piece {
                path: path.into(),
                bytes: 5,
            })
            .collect();
        assert_eq!(place_of(&pieces, &[0, 1]), "a/b");
        assert_eq!(place_of(&pieces, &[0, 2]), "a");
        assert_eq!(place_of(&pieces, &[3]), "root");
        assert_eq!(place_of(&pieces, &[0, 2, 3, 4]), "a");
        assert_eq!(place_of(&pieces, &[0, 1, 2]), "a/b");
    }
}
