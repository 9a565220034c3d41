//! The processes of this machine as `/proc` shows them.
//!
//! A process number alone proves nothing, numbers come again: a process is the same only with the same start
//! time in the same boot. Called by the shim, by whoever stops a shim, and by whoever buries a killed one.

use std::collections::BTreeSet;
use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use super::MARK;

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
    /// A thread of the kernel, which has no environment.
    kernel: bool,
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

/// The flag of kernel threads, PF_KTHREAD of the kernel's sources.
const KERNEL_THREAD: u32 = 0x0020_0000;

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
        kernel: fields.get(6)?.parse::<u32>().ok()? & KERNEL_THREAD != 0,
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

/// Whether the process was started inside the unit with this mark, or inside a unit within that one (see
/// [`inner_mark`]). `None` if that cannot be told now: while a program is being replaced by another it has no
/// environment. `Some(false)` for what may not be read, the processes of other users.
pub(super) fn is_marked(process: &Process, mark: &str) -> Option<bool> {
    let Ok(bytes) = fs::read(format!("/proc/{}/environ", process.pid)) else {
        return Some(false);
    };
    if bytes.is_empty() && !process.kernel && !process.zombie {
        return None;
    }
    let value = bytes
        .split(|byte| *byte == 0)
        .find_map(|variable| variable.strip_prefix(MARK.as_bytes())?.strip_prefix(b"="));
    Some(value.is_some_and(|value| {
        value
            .split(|byte| *byte == b'/')
            .any(|part| part == mark.as_bytes())
    }))
}

/// The value of the mark's variable for a unit that is started by a process in which it has the value `outer`.
pub(super) fn inner_mark(outer: Option<&str>, mark: &str) -> String {
    match outer {
        Some(outer) if outer.len() < 1000 => format!("{outer}/{mark}"),
        _ => mark.to_owned(),
    }
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
        let line = b"12 (a) S (b) R) S 7 8 9 0 -1 2097152 1 1 1 1 1 1 1 1 20 0 1 0 4242 1 1";
        let process = parse(line).unwrap();
        assert_eq!(
            (process.pid, process.parent, process.group, process.session),
            (12, 7, 8, 9)
        );
        assert_eq!(process.started, 4242);
        assert!(!process.zombie && process.kernel);
    }

    #[test]
    fn we_find_ourselves() {
        let own = i32::try_from(std::process::id()).unwrap();
        let table = all();
        assert!(table.iter().any(|process| process.pid == own));
        assert_eq!(Identity::of(own), Identity::of(own));
        assert!(!boot().is_empty());
    }

    #[test]
    fn a_process_counts_for_the_units_around_it_too() {
        let mut child = std::process::Command::new("sleep")
            .arg("1000")
            .env(MARK, inner_mark(Some("outer"), "inner"))
            .spawn()
            .unwrap();
        let process = read(i32::try_from(child.id()).unwrap()).unwrap();
        // Spawning may return before the new program has its environment.
        while is_marked(&process, "inner").is_none() {
            std::thread::yield_now();
        }
        let marks = ["outer", "inner", "oute", "other"].map(|mark| is_marked(&process, mark));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(marks, [Some(true), Some(true), Some(false), Some(false)]);
    }
}
