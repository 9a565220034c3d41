//! `dynwf __unit DIR`: the process between dynwf and a unit's command.
//!
//! It is the only parent that a unit has: everything that the command leaves behind is re-parented to it (child
//! subreaper), so when it has no children left the unit is gone. It has a session of its own, so neither the end
//! of dynwf nor that of the terminal touches it. TERM asks it to end the unit gently, QUIT at once. It writes the
//! unit's end as the last thing it does.
//!
//! One thread and a small tokio runtime for signals and timers; the output is copied by two more threads.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use rustix::fs::{FlockOperation, flock, fstat, stat};
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process_group, set_child_subreaper, setsid,
    wait,
};
use tokio::signal::unix::{SignalKind, signal};

use super::capture::{Capture, Life, digest_of_files};
use super::folder::{Begun, Ended, Task, UnitDir};
use super::proc_table::{self, Identity, with_descendants};
use super::{MARK, OUTPUT_LIMIT};
use crate::fault;
use crate::model::unit::UnitOutcome;

/// How long killed processes may take to go before the unit counts as ended all the same.
const KILL_PATIENCE: Duration = Duration::from_secs(10);

/// How long output may still come once no process is left.
const DRAIN_PATIENCE: Duration = Duration::from_secs(2);

/// Runs the unit in this folder, whose locked `ctl/lock` must be the standard input. Returns the exit code: 0
/// once the unit's end is written, whatever that end is.
pub fn shim_main(dir: &Path) -> u8 {
    match run(&UnitDir::new(dir.to_owned())) {
        Ok(()) => 0,
        Err(error) => {
            // The launcher made this `ctl/log`.
            let _ = writeln!(
                std::io::stderr(),
                "dynwf: running the unit in {}: {error:#}",
                dir.display()
            );
            70
        }
    }
}

fn run(dir: &UnitDir) -> Result<()> {
    check_lock(dir)?;
    let Some(task) = dir.task()? else {
        bail!("there is no task");
    };
    if dir.is_used() {
        bail!("it was begun before");
    }
    match setsid() {
        // A leader of a group already: somebody started us by hand in a shell.
        Ok(_) | Err(Errno::PERM) => {}
        Err(error) => return Err(error).context("starting a session"),
    }
    set_child_subreaper(Some(getpid())).context("becoming the reaper of the unit")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("preparing to wait")?;
    let ended = runtime.block_on(attend_command(dir, &task))?;
    fault::point("unit:status:before");
    dir.write_ended(&ended)?;
    fault::point("unit:status:after");
    Ok(())
}

/// The lock came with the open file of the launcher; asking for it again changes nothing for who has it and
/// fails for anybody else.
fn check_lock(dir: &UnitDir) -> Result<()> {
    let stdin = std::io::stdin();
    let path = dir.ctl().join("lock");
    let given = fstat(&stdin).context("looking at the standard input")?;
    let lock = stat(&path).with_context(|| format!("looking at {}", path.display()))?;
    if (given.st_dev, given.st_ino) != (lock.st_dev, lock.st_ino) {
        bail!("the standard input is not its lock; units are started by dynwf alone");
    }
    flock(&stdin, FlockOperation::NonBlockingLockExclusive)
        .with_context(|| format!("somebody else holds {}", path.display()))
}

/// Starts the command and waits for its end; no process of it is left then.
async fn attend_command(dir: &UnitDir, task: &Task) -> Result<Ended> {
    // Before anybody can know our number, and before there is a child.
    let mut term = signal(SignalKind::terminate()).context("catching TERM")?;
    let mut quit = signal(SignalKind::quit()).context("catching QUIT")?;
    let mut child = signal(SignalKind::child()).context("catching CHLD")?;
    let _hang_up = signal(SignalKind::hangup()).context("catching HUP")?;
    let _interrupt = signal(SignalKind::interrupt()).context("catching INT")?;
    let limit = if task.output_limit == 0 {
        OUTPUT_LIMIT
    } else {
        task.output_limit
    };
    let mut capture = Capture::new(dir, limit)?;
    let mut begun = begin(dir)?;
    let mut unit = match start(task, &mut capture) {
        Ok(unit) => unit,
        Err(error) => return ended(dir, UnitOutcome::NotStarted(format!("{error:#}")), 0),
    };
    fault::point("unit:started");
    begun.child = Identity::of(unit.pid.as_raw_pid());
    dir.write_begun(&begun)?;
    let life = capture.life.clone();
    loop {
        unit.collect();
        unit.hold_to_limits(task, &life);
        if unit.is_over() {
            break;
        }
        tokio::select! {
            _ = child.recv() => {}
            _ = term.recv() => unit.stop(UnitOutcome::Cancelled, task),
            _ = quit.recv() => unit.kill(UnitOutcome::Cancelled),
            () = life.flooded() => {}
            () = tokio::time::sleep_until(unit.next_limit(task, &life).into()) => {}
        }
    }
    unit.leave_nothing();
    capture.finish(DRAIN_PATIENCE);
    ended(dir, unit.outcome(), unit.millis())
}

fn ended(dir: &UnitDir, outcome: UnitOutcome, millis: u64) -> Result<Ended> {
    Ok(Ended {
        outcome,
        millis,
        output_digest: digest_of_files(dir)?,
    })
}

/// Records who runs the unit, with the mark that the launcher gave it, before anything is started that would have
/// to be found again.
fn begin(dir: &UnitDir) -> Result<Begun> {
    let pid = getpid().as_raw_pid();
    let shim = Identity::of(pid).context("finding our own process in /proc")?;
    let boot = proc_table::boot();
    let at = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        });
    let marks = std::env::var(MARK).context("reading our mark")?;
    let begun = Begun {
        mark: marks.rsplit('/').next().unwrap_or_default().to_owned(),
        boot,
        at,
        shim,
        child: None,
    };
    fault::point("unit:begun:before");
    dir.write_begun(&begun)?;
    fault::point("unit:begun:after");
    Ok(begun)
}

/// Starts the command, in a process group of its own.
fn start(task: &Task, capture: &mut Capture) -> Result<Running> {
    let Some((program, args)) = task.argv.split_first() else {
        bail!("there is no command");
    };
    if !Path::new(&task.cwd).is_dir() {
        bail!("there is no folder {}", task.cwd);
    }
    let mut child = Command::new(program)
        .args(args)
        .current_dir(&task.cwd)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .with_context(|| format!("starting {program}"))?;
    capture.start(child.stdout.take(), child.stderr.take());
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    Ok(Running {
        pid: pid.context("the command has no process number")?,
        started: Instant::now(),
        ended: None,
        millis: None,
        none_left: false,
        stopped: None,
        kill_at: None,
    })
}

/// A command that was started.
struct Running {
    pid: Pid,
    started: Instant,
    ended: Option<WaitStatus>,
    millis: Option<u64>,
    /// No process of the unit is left.
    none_left: bool,
    /// Why we ended it; the first reason stays.
    stopped: Option<UnitOutcome>,
    /// When patience with it ends.
    kill_at: Option<Instant>,
}

impl Running {
    /// Collects every process of the unit that has ended.
    fn collect(&mut self) {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.pid => {
                    self.millis = Some(self.elapsed());
                    self.ended = Some(status);
                }
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => return,
                Err(_) => {
                    self.none_left = true;
                    return;
                }
            }
        }
    }

    /// A command that ended by itself is over, and what it left is not waited for. One that is being stopped is
    /// over when all of it is gone, so that each process has the grace time, or when that time is over.
    fn is_over(&self) -> bool {
        self.none_left
            || (self.ended.is_some() && self.stopped.is_none())
            || self.kill_at.is_some_and(|at| at <= Instant::now())
    }

    fn hold_to_limits(&mut self, task: &Task, life: &Life) {
        if self.ended.is_some() || self.stopped.is_some() {
            return;
        }
        let now = Instant::now();
        if life.is_flooded() {
            self.stop(UnitOutcome::TooMuchOutput, task);
        } else if self.deadline(task).is_some_and(|at| at <= now) {
            self.stop(UnitOutcome::TimedOut, task);
        } else if silent_from(task, life).is_some_and(|at| at <= now) {
            self.stop(UnitOutcome::Silent, task);
        }
    }

    fn deadline(&self, task: &Task) -> Option<Instant> {
        (task.seconds > 0)
            .then(|| self.started.checked_add(Duration::from_secs(task.seconds)))
            .flatten()
    }

    /// When to look again if nothing happens.
    fn next_limit(&self, task: &Task, life: &Life) -> Instant {
        let limits = if self.stopped.is_some() {
            [self.kill_at, None]
        } else {
            [self.deadline(task), silent_from(task, life)]
        };
        let far = Instant::now() + Duration::from_secs(3600);
        limits.into_iter().flatten().min().unwrap_or(far)
    }

    /// Asks every process of the unit to end, and sets the time when patience ends.
    fn stop(&mut self, why: UnitOutcome, task: &Task) {
        if self.stopped.is_some() || self.ended.is_some() {
            return;
        }
        self.stopped = Some(why);
        self.kill_at = Instant::now().checked_add(Duration::from_secs(task.grace));
        // The command is not collected yet, so its number is still that of its group.
        let _ = kill_process_group(self.pid, Signal::TERM);
        let table = proc_table::all();
        for pid in descendants(&table) {
            let in_group = |process: &proc_table::Process| {
                process.pid == pid && process.group == self.pid.as_raw_pid()
            };
            if !table.iter().any(in_group) {
                proc_table::send(pid, Signal::TERM);
            }
        }
    }

    /// Ends patience at once.
    fn kill(&mut self, why: UnitOutcome) {
        if self.ended.is_none() {
            self.stopped.get_or_insert(why);
        }
        self.kill_at = Some(Instant::now());
    }

    /// Kills and collects until there are no children, so nothing of the unit, any more.
    fn leave_nothing(&mut self) {
        let until = Instant::now() + KILL_PATIENCE;
        let mut pause = Duration::from_millis(1);
        loop {
            self.collect();
            if self.none_left {
                return;
            }
            let left = descendants(&proc_table::all());
            if Instant::now() > until {
                let _ = writeln!(
                    std::io::stderr(),
                    "dynwf: these processes do not end: {left:?}"
                );
                return;
            }
            for pid in left {
                proc_table::send(pid, Signal::KILL);
            }
            self.collect();
            if self.none_left {
                return;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    fn outcome(&self) -> UnitOutcome {
        if let Some(why) = &self.stopped {
            return why.clone();
        }
        let Some(status) = self.ended else {
            return UnitOutcome::Lost;
        };
        status
            .exit_status()
            .map(UnitOutcome::Exited)
            .or_else(|| status.terminating_signal().map(UnitOutcome::Signalled))
            .unwrap_or(UnitOutcome::Lost)
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn millis(&self) -> u64 {
        self.millis.unwrap_or_else(|| self.elapsed())
    }
}

fn silent_from(task: &Task, life: &Life) -> Option<Instant> {
    (task.silence > 0)
        .then(|| life.last().checked_add(Duration::from_secs(task.silence)))
        .flatten()
}

/// Everything that descends from this process, ended or not.
fn descendants(table: &[proc_table::Process]) -> BTreeSet<i32> {
    let own = getpid().as_raw_pid();
    let mut found = with_descendants(BTreeSet::from([own]), table);
    found.remove(&own);
    found
}
