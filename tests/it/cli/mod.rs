//! The verbs, each as a person types it, with right and wrong input.

mod archive;
mod demo;
mod doctor;
mod hooks;
mod log;
mod planned;
mod prune;
mod review;
mod words;

use crate::support::{Dynwf, TestRepo};

/// One packet that is merged, one that a gate asks about (its file is protected), one that fails with work done.
const PLAN: &str = r#"
goal = "A line in every crate"
base = "main"
[integration]
target = "main"
[[check]]
name = "lines"
run = "grep -q line crates/net/src/lib.rs"
[[packet]]
id = "01-net"
objective = "A line in net"
scope = ["crates/net/**"]
run = "echo '// a line' >> crates/net/src/lib.rs"
[[packet]]
id = "02-db"
objective = "A build script for db"
scope = ["crates/db/**"]
run = "echo 'fn main() {}' > crates/db/build.rs"
[[packet]]
id = "03-core"
objective = "A line in core, which fails"
scope = ["crates/core/**"]
run = "echo '// half a line' >> crates/core/src/lib.rs; exit 7"
"#;

/// The plan, run until it waits.
fn waiting(repo: &TestRepo) -> Dynwf<'_> {
    let plan = repo.place().join("plan.toml");
    std::fs::write(&plan, PLAN).unwrap();
    let dynwf = Dynwf::new(repo);
    dynwf
        .run(["plan", "lines", "--from", &plan.display().to_string()])
        .success();
    dynwf.line("run lines").expect_code(3);
    dynwf
}

/// The plan, landed, with one packet turned down.
fn landed(repo: &TestRepo) -> Dynwf<'_> {
    let dynwf = waiting(repo);
    dynwf.line("reject lines merge:02-db").success();
    dynwf.line("run lines").expect_code(3);
    dynwf.line("approve lines land --yes").success();
    dynwf.line("land lines").success();
    dynwf
}
