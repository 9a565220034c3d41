//! What a unit may use of the machine, held by the kernel without anybody's privileges.
//!
//! They are the limits that a process hands on to those that it starts (`setrlimit`): each process is held to the
//! figures for memory and files by itself, and all processes of one user in one namespace together to the number of
//! processes. They are set inside the sandbox, where processes are counted apart. Called by `wrap` and, where there
//! is no sandbox, by `runner`.

use std::path::Path;

use rustix::process::{Resource, getrlimit};

/// The most that a unit may use. 0 means no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// MiB of data that one process may hold: what it wrote into memory of its own, not what it only reserved.
    pub memory_mb: u32,
    /// MiB that one file may have.
    pub file_mb: u32,
    /// How many processes there may be.
    pub processes: u32,
}

impl Limits {
    /// The command line that runs `argv` within these limits, and without core dumps. Where the program that sets
    /// them (`prlimit`) is missing, `argv` itself.
    pub fn hold(&self, argv: Vec<String>) -> Vec<String> {
        let Some(program) = ["/usr/bin/prlimit", "/bin/prlimit"]
            .into_iter()
            .find(|program| Path::new(program).exists())
        else {
            return argv;
        };
        let mut line = vec![program.to_owned(), "--core=0:0".to_owned()];
        let bytes = |mebibytes: u32| u64::from(mebibytes) << 20;
        let wanted = [
            ("data", Resource::Data, bytes(self.memory_mb)),
            ("fsize", Resource::Fsize, bytes(self.file_mb)),
            ("nproc", Resource::Nproc, u64::from(self.processes)),
        ];
        for (name, resource, most) in wanted {
            if most > 0 {
                // More than what holds already cannot be had.
                let most = most.min(getrlimit(resource).maximum.unwrap_or(u64::MAX));
                line.push(format!("--{name}={most}:{most}"));
            }
        }
        line.push("--".to_owned());
        line.extend(argv);
        line
    }
}
