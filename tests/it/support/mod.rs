//! What the tests stand on: repositories of every shape, the binary, and a way to see what changed.
//!
//! Nothing here waits for time to pass: it waits for a file, a process or a condition, and gives up loudly.

mod clients;
mod dynwf;
mod fingerprint;
mod model_server;
mod output;
mod place;
mod plans;
mod shapes;
mod test_repo;

pub(crate) use clients::{Client, KEY, clients};
pub(crate) use dynwf::{Dynwf, Running, wait_until_gone};
pub(crate) use fingerprint::Fingerprint;
pub(crate) use model_server::{Fault, ModelServer, Step, Wire};
pub(crate) use output::CommandOutput;
pub(crate) use place::Place;
pub(crate) use plans::{
    assert_packet, gate_word, in_use_with, integrated, line_in, packet, packet_of, plan_of,
    plan_with, simple,
};
pub(crate) use test_repo::TestRepo;

/// Says why a test did not run, and returns from it.
macro_rules! skip {
    ($($why:tt)*) => {{
        println!("skipped: {}", format_args!($($why)*));
        return;
    }};
}
pub(crate) use skip;
