//! The program: `dynwf __unit DIR` is the shim of a unit, everything else is the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|verb| verb == "__unit") {
        // First of all and without the command line's own set-up: units must start fast and outlive us.
        return ExitCode::from(args.next().map_or(2, |dir| {
            dynwf::process::shim_main(std::path::Path::new(&dir))
        }));
    }
    ExitCode::from(dynwf::cli::run(std::env::args_os()))
}
