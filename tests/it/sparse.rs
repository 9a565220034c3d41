//! Workspaces that hold a part of the tree.

use std::fs;

use crate::support::{Dynwf, TestRepo, assert_packet, packet_of, plan_with};

/// An agent that uses git as agents do, in a workspace that holds a part, and looks at what it sees.
const IN_A_PART: &str = "test ! -e crates/db && test -e README.md && test -e crates/net/src/lib.rs || exit 9
test -z \"$(git status --porcelain)\" || exit 8
echo '// net' >> crates/net/src/lib.rs
git add -A && git commit -qnm mine && git diff --quiet \"$DYNWF_BASE\" HEAD -- crates/db README.md || exit 7
";

#[test]
fn sparse_workspaces_hold_what_the_scope_opens_and_lose_nothing() {
    for mode in ["none", "auto"] {
        let repo = TestRepo::small().with_remote().in_use();
        repo.place().user_config(&format!(
            "[sandbox]\nmode = \"{mode}\"\n[workspace]\nsparse = \"scope\"\n"
        ));
        let config = fs::read(repo.common_dir().join("config")).expect("a configuration");
        let net = packet_of("net", IN_A_PART, "checks = [\"test ! -e crates/db\"]\n");
        let any = packet_of(
            "any",
            "test -e crates/db && mkdir any && echo x > any/x",
            "",
        );
        let any = any.replace("crates/any/**", "*ny/**");
        let out = packet_of(
            "out",
            "mkdir -p crates/core && echo x > crates/core/new.rs",
            "",
        );
        let out = out.replace("crates/out/**", "crates/db/**");
        let check = "[[check]]\nname = \"all\"\nrun = \"test -e crates/db/src/lib.rs\"\n";
        let dynwf = Dynwf::new(&repo);
        let plan = repo.place().join("plan.toml");
        fs::write(&plan, plan_with(check, &[net, any, out])).expect("the plan can be written");
        let plan = plan.display().to_string();
        dynwf
            .run(["plan", "lines", "--from", &plan])
            .success()
            .complains("packet any gets all files, because `*ny/**` begins in no directory");
        dynwf.line("run lines").expect_code(3);
        let status = dynwf.status("lines");
        assert_packet(&status, "net", "integrated", "");
        assert_packet(&status, "any", "integrated", "");
        assert_packet(
            &status,
            "out",
            "failed",
            "outside its scope: crates/core/new.rs",
        );
        let names = repo.git(["diff", "--name-only", "main", "dynwf/lines/integration"]);
        assert_eq!(names, "any/x\ncrates/net/src/lib.rs", "{mode}");
        // Begun again it is a part again, and what was there is kept.
        dynwf.line("packet retry lines out").success();
        dynwf.line("run lines").expect_code(3);
        assert_packet(&dynwf.status("lines"), "out", "failed", "outside its scope");
        let names = repo.git([
            "diff",
            "--name-only",
            "main",
            "refs/dynwf/w/lines/tip/out/1",
        ]);
        assert_eq!(names, "crates/core/new.rs", "{mode}");
        assert_eq!(
            fs::read(repo.common_dir().join("config")).expect("a configuration"),
            config
        );
    }
}
