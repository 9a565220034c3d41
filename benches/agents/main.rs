//! What dynwf costs around an agent, within one run: `cargo bench --bench agents`.
//!
//! Two questions. What does a client's turn cost as a unit, and as a whole packet (workspace, collecting, merging),
//! against the same client run by hand with the same arguments? And what does the sandbox cost for each process that
//! it is put around? The clients are the real ones, named as for the tests (`DYNWF_CODEX_BIN` and so on), with a
//! scripted model on loopback; those that are absent are said to be.
//!
//! CPU is that of all processes but this one, which is the model. Nothing here fails because it is slow.
#![expect(clippy::print_stdout, reason = "it is a program")]

mod client;
#[path = "../../tests/it/support/clients.rs"]
mod clients;
#[path = "../overhead/measure.rs"]
#[expect(dead_code, reason = "the other benchmark uses the rest")]
mod measure;
#[path = "../../tests/it/support/model_server/mod.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod model_server;
mod spawn;

use std::time::{Duration, Instant};

use anyhow::Result;

fn main() -> Result<()> {
    measure::adopt_orphans()?;
    client::report()?;
    spawn::report()
}

/// What something took.
#[derive(Clone, Copy, Debug)]
struct Cost {
    cpu: Duration,
    wall: Duration,
}

impl Cost {
    /// Does it, and waits for every process that is left of it.
    fn of(work: impl FnOnce() -> Result<()>) -> Result<Self> {
        let began = Instant::now();
        let mut wall = Duration::ZERO;
        let cpu = measure::cpu_of(|| {
            let done = work();
            wall = began.elapsed();
            done
        })?;
        Ok(Self { cpu, wall })
    }
}

/// The middle of both figures, in milliseconds: CPU and wall.
fn middle(costs: &[Cost]) -> (f64, f64) {
    let of = |figure: fn(&Cost) -> Duration| {
        measure::median(
            costs
                .iter()
                .map(|cost| figure(cost).as_secs_f64() * 1000.0)
                .collect(),
        )
    };
    (of(|cost| cost.cpu), of(|cost| cost.wall))
}
