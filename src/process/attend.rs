//! Looking at a unit, waiting for its end, passing on the wish to stop it, and burying one whose shim was killed.
//!
//! It makes no difference whether this process launched the unit or an earlier one did. Called by the runner
//! for every unit that the journal says was started and has not ended, and by `cli` to show what lives.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::sync::watch;

use super::capture::digest_of_files;
use super::folder::{Begun, Ended, Lock, UnitDir};
use super::proc_table::{self, Identity, is_marked, with_descendants};
use super::stop::Stop;
use crate::model::unit::UnitOutcome;

/// How a unit stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// It was never begun: launch it.
    Nothing,
    /// Its shim holds the lock: attend it.
    Alive,
    /// It ended, and no process of it is left.
    Ended(Ended),
    /// It was begun, but its shim is gone without a word: attend it, which kills what is left of it.
    Dead,
}

/// The longest pause between two looks. The first ones are shorter: many checks take milliseconds.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// A shim that has not ended its unit this long after [`Stop::Kill`] is killed itself. Longer than the time that
/// the shim gives killed processes.
const KILL_PATIENCE: Duration = Duration::from_secs(15);

/// How long killed processes of a dead unit may take to go (one in an uninterruptible wait takes longer).
const BURY_PATIENCE: Duration = Duration::from_secs(10);

/// How long a process without an environment is looked at again. It is one that is just replacing its program, or
/// one that was started without any and stays so.
const UNSURE_PATIENCE: Duration = Duration::from_millis(300);

/// Says how the unit stands. Takes no time, changes nothing.
pub fn look(dir: &UnitDir) -> Result<Look> {
    if let Some(ended) = dir.ended()? {
        return Ok(Look::Ended(ended));
    }
    if !dir.has_lock_file() {
        return Ok(Look::Nothing);
    }
    let Some(_lock) = dir.try_lock(Lock::Probe)? else {
        return Ok(Look::Alive);
    };
    // It may have ended between the first look at its status and the lock.
    Ok(match dir.ended()? {
        Some(ended) => Look::Ended(ended),
        None if dir.is_used() => Look::Dead,
        None => Look::Nothing,
    })
}

/// Waits until the unit has ended, passing `stop` on to it. A unit whose shim is gone without having written an
/// end, or that never began, ends as [`UnitOutcome::Lost`], after every process of it that can be found was
/// killed; that end is written down, so that it is the same whoever asks next.
pub async fn attend(dir: UnitDir, mut stop: watch::Receiver<Stop>) -> Result<Ended> {
    let mut sent = Stop::No;
    let mut killed_at = None;
    let mut more_wishes = true;
    let mut pause = Duration::from_millis(2);
    loop {
        match look(&dir)? {
            Look::Ended(ended) => return Ok(ended),
            Look::Alive => {}
            Look::Dead | Look::Nothing => {
                return tokio::task::spawn_blocking(move || bury(&dir))
                    .await
                    .context("burying a unit")?;
            }
        }
        let wish = *stop.borrow_and_update();
        if wish > sent && pass_on(&dir, wish)? {
            sent = wish;
            if wish == Stop::Kill {
                killed_at = Some(Instant::now());
            }
        }
        if killed_at.is_some_and(|at| at.elapsed() > KILL_PATIENCE) {
            send_to_shim(&dir, Signal::KILL)?;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            changed = stop.changed(), if more_wishes => more_wishes = changed.is_ok(),
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Tells the shim to stop its unit. `false` if it cannot hear yet.
fn pass_on(dir: &UnitDir, wish: Stop) -> Result<bool> {
    match wish {
        Stop::No => Ok(true),
        Stop::Term => send_to_shim(dir, Signal::TERM),
        Stop::Kill => send_to_shim(dir, Signal::QUIT),
    }
}

/// Sends a signal to the recorded shim and to no other process. `false` if it is not recorded yet; a shim that
/// is gone needs no signal.
fn send_to_shim(dir: &UnitDir, signal: Signal) -> Result<bool> {
    let Some(begun) = dir.begun()? else {
        return Ok(false);
    };
    if begun.boot != proc_table::boot() {
        return Ok(true);
    }
    let Some(pid) = Pid::from_raw(begun.shim.pid) else {
        bail!("the record in {} names no process", dir.ctl().display());
    };
    // The descriptor first, then the start time: then it is the same process that gets the signal.
    if let Ok(shim) = pidfd_open(pid, PidfdFlags::empty())
        && Identity::of(begun.shim.pid) == Some(begun.shim)
    {
        match pidfd_send_signal(&shim, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("signalling the unit in {}", dir.root().display()));
            }
        }
    }
    Ok(true)
}

/// Writes the end of a unit that has no shim any more, after killing what is left of it.
fn bury(dir: &UnitDir) -> Result<Ended> {
    dir.create()?;
    let until = Instant::now() + BURY_PATIENCE;
    let _lock = loop {
        if let Some(lock) = dir.try_lock(Lock::Own)? {
            break lock;
        }
        if let Some(ended) = dir.ended()? {
            return Ok(ended);
        }
        if Instant::now() > until {
            bail!(
                "the lock of the unit in {} is held by somebody else",
                dir.root().display()
            );
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    if let Some(ended) = dir.ended()? {
        return Ok(ended);
    }
    let begun = dir.begun()?;
    if let Some(begun) = &begun {
        kill_what_is_left(begun, until)
            .with_context(|| format!("ending the unit in {}", dir.root().display()))?;
    }
    let ended = Ended {
        outcome: UnitOutcome::Lost,
        millis: begun.map_or(0, |begun| millis_until_last_output(dir, &begun)),
        output_digest: digest_of_files(dir)?,
    };
    dir.write_ended(&ended)?;
    Ok(ended)
}

fn kill_what_is_left(begun: &Begun, until: Instant) -> Result<()> {
    if begun.boot != proc_table::boot() {
        return Ok(());
    }
    let unsure_until = Instant::now() + UNSURE_PATIENCE;
    let mut empty_looks = 0;
    let mut pause = Duration::from_millis(1);
    // A process that comes while the table is read may be missing in it: one empty look is not enough.
    while empty_looks < 2 {
        let (left, unsure) = what_is_left(begun);
        let now = Instant::now();
        if !left.is_empty() && now > until {
            bail!("these processes do not end: {left:?}");
        }
        empty_looks = if left.is_empty() && (!unsure || now > unsure_until) {
            empty_looks + 1
        } else {
            0
        };
        for pid in left {
            proc_table::send(pid, Signal::KILL);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Ok(())
}

/// The processes of the unit that still run: the shim, those with its mark, those in the group or the session
/// of its command (as long as that command is still the recorded one), and what descends from them. And whether
/// there are any of which that cannot be told at this moment.
fn what_is_left(begun: &Begun) -> (BTreeSet<i32>, bool) {
    let table = proc_table::all();
    let own = i32::try_from(std::process::id()).unwrap_or_default();
    let leader = begun
        .child
        .filter(|child| table.iter().any(|process| process.identity() == *child));
    let mut found = BTreeSet::new();
    let mut unsure = false;
    // What is older than the shim is not of the unit.
    for process in table
        .iter()
        .filter(|process| process.started >= begun.shim.started)
    {
        let is_ours = process.identity() == begun.shim
            || leader.is_some_and(|leader| {
                process.group == leader.pid || process.session == begun.shim.pid
            })
            || is_marked(process, &begun.mark).unwrap_or_else(|| {
                unsure = true;
                false
            });
        if is_ours {
            found.insert(process.pid);
        }
    }
    let mut left = with_descendants(found, &table);
    left.remove(&own);
    left.retain(|pid| {
        table
            .iter()
            .any(|process| process.pid == *pid && !process.zombie)
    });
    (left, unsure)
}

fn millis_until_last_output(dir: &UnitDir, begun: &Begun) -> u64 {
    [dir.stdout(), dir.stderr()]
        .iter()
        .filter_map(|path| {
            let changed = path.symlink_metadata().ok()?.modified().ok()?;
            let since = changed.duration_since(std::time::UNIX_EPOCH).ok()?;
            u64::try_from(since.as_millis()).ok()
        })
        .max()
        .map_or(0, |last| last.saturating_sub(begun.at))
}
