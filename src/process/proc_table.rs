//! The processes of this machine as `/proc` shows them.
//!
//! A process number alone proves nothing, numbers come again: a process is the same only with the same start
//! time in the same boot. Called by the shim, by whoever stops a shim, and by whoever buries a killed one.

use std::collections::BTreeSet;
use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

/// A process that cannot be taken for a later one with the same number in the same boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    /// Its number.
    pub(super) pid: i32,
    /// When it started, in clock ticks since the boot.
    pub(super) started: u64,
}

impl Identity {
    /// Who has this number now.
    pub(super) fn of(pid: i32) -> Option<Self> {
        read(pid).map(|process| process.identity())
    }
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) parent: i32,
    pub(super) group: i32,
    pub(super) session: i32,
    pub(super) started: u64,
    /// Ended, but not yet collected by its parent.
    pub(super) zombie: bool,
}

impl Process {
    pub(super) fn identity(&self) -> Identity {
        Identity {
            pid: self.pid,
            started: self.started,
        }
    }
}

/// Reads the line of one process.
pub(super) fn read(pid: i32) -> Option<Process> {
    parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// Reads the whole table; processes that come or go meanwhile may be missing.
pub(super) fn all() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(read)
        .collect()
}

fn parse(stat: &[u8]) -> Option<Process> {
    let text = String::from_utf8_lossy(stat);
    // The second field is the program's name in parentheses and may hold anything, spaces and ")" too.
    let (head, rest) = text.rsplit_once(')')?;
    let pid = head.split_once(' ')?.0.parse().ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    Some(Process {
        pid,
        zombie: matches!(*fields.first()?, "Z" | "X"),
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

/// Adds to `roots` everything in `table` that descends from one of them.
pub(super) fn with_descendants(mut found: BTreeSet<i32>, table: &[Process]) -> BTreeSet<i32> {
    loop {
        let before = found.len();
        for process in table {
            if found.contains(&process.parent) {
                found.insert(process.pid);
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

/// Whether the process was started with this variable set to this value. Not known, so no, for processes of
/// other users.
pub(super) fn has_variable(pid: i32, name: &str, value: &str) -> bool {
    let wanted = format!("{name}={value}");
    fs::read(format!("/proc/{pid}/environ")).is_ok_and(|bytes| {
        bytes
            .split(|byte| *byte == 0)
            .any(|one| one == wanted.as_bytes())
    })
}

/// The id of this boot; empty if the kernel does not tell.
pub(super) fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

/// Sends a signal to one process; that it is gone already is fine.
pub(super) fn send(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid)
        && pid.as_raw_pid() > 1
    {
        let _ = kill_process(pid, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_may_hold_anything() {
        let line = b"12 (a) S (b) R) S 7 8 9 0 -1 1 1 1 1 1 1 1 1 1 20 0 1 0 4242 1 1";
        let process = parse(line).unwrap();
        assert_eq!(
            (process.pid, process.parent, process.group, process.session),
            (12, 7, 8, 9)
        );
        assert_eq!(process.started, 4242);
        assert!(!process.zombie);
    }

    #[test]
    fn we_find_ourselves() {
        let own = i32::try_from(std::process::id()).unwrap();
        let table = all();
        assert!(table.iter().any(|process| process.pid == own));
        assert_eq!(Identity::of(own), Identity::of(own));
        assert!(!boot().is_empty());
    }
}
