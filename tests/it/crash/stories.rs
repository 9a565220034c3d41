//! The workflows that are crashed.

/// A step of a story.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// A call of dynwf, and its exit code where nothing goes wrong.
    Call(&'static str, i32),
    /// A shell command of the person, in the repository. Doing it again must do no harm.
    Hand(&'static str),
}

use Step::{Call, Hand};

/// A workflow, from its plan to the landing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Story {
    pub(super) plan: &'static str,
    pub(super) steps: &'static [Step],
    /// The first step in which it is crashed: what comes before is another story's.
    pub(super) from: usize,
    /// The packets that are merged into the target, sorted.
    pub(super) merges: &'static [&'static str],
    /// Facts and effects that it is there for: a crash point with such a name must be passed.
    pub(super) passes: &'static [&'static str],
}

/// Two packets side by side, one of which a person must look at, which are merged together, and one that needs the
/// other.
pub(super) const WHOLE: Story = Story {
    plan: r#"
goal = "Three lines"
base = "main"
[integration]
target = "main"
[budget]
concurrency = 2
[[gate]]
before = "integrate"
[[check]]
name = "all"
run = "grep -q net crates/net/src/lib.rs"
when = "both"
[[packet]]
id = "01-net"
objective = "A line in net"
scope = ["crates/net/**"]
run = "echo '// net' >> crates/net/src/lib.rs"
[[packet]]
id = "02-db"
objective = "A build script in db"
scope = ["crates/db/**"]
run = "echo 'fn main() {}' > crates/db/build.rs"
[[packet]]
id = "03-core"
objective = "A line in core after the one in net"
scope = ["crates/core/**"]
after = ["01-net"]
run = "tail -n 1 crates/net/src/lib.rs >> crates/core/src/lib.rs"
checks = ["grep -q '// net' crates/core/src/lib.rs"]
"#,
    steps: &[
        Call("plan crash --from ../plan.toml", 0),
        Call("split crash", 0),
        Call("run crash", 3),
        Call("approve crash merge:02-db --yes", 0),
        Call("run crash", 3),
        Call("approve crash integrate --yes", 0),
        Call("run crash", 3),
        Call("approve crash land --yes", 0),
        Call("land crash", 0),
    ],
    from: 0,
    merges: &["01-net", "02-db", "03-core"],
    passes: &[
        "append:PacketCollected",
        "append:PacketMerged",
        "merge:written",
    ],
};

/// A packet that landed is taken out again, while the target has moved.
pub(super) const REVERTED: Story = Story {
    plan: r#"
goal = "Two lines"
base = "main"
[integration]
target = "main"
[[check]]
name = "all"
run = "test -f README.md"
[[packet]]
id = "01-net"
objective = "A line in net"
scope = ["crates/net/**"]
run = "echo '// net' >> crates/net/src/lib.rs"
[[packet]]
id = "02-core"
objective = "A line in core"
scope = ["crates/core/**"]
after = ["01-net"]
run = "echo '// core' >> crates/core/src/lib.rs"
"#,
    steps: &[
        Call("plan crash --from ../plan.toml", 0),
        Call("run crash", 3),
        Call("approve crash land --yes", 0),
        Call("land crash", 0),
        Call("revert crash 01-net", 3),
        Call("approve crash land --yes", 0),
        Call("land crash", 0),
    ],
    from: 4,
    merges: &["01-net", "02-core", "revert-01-net"],
    passes: &["append:RevertAsked", "append:PacketMerged"],
};

/// One conflict is resolved by hand, another is put off and then left out.
pub(super) const BY_HAND: Story = Story {
    plan: r#"
goal = "One line"
base = "main"
[integration]
target = "main"
overlap = "allow"
[[gate]]
before = "integrate"
[[packet]]
id = "01-net"
objective = "A last line"
scope = ["crates/core/**"]
run = "echo '// net' >> crates/core/src/lib.rs"
[[packet]]
id = "02-db"
objective = "Another last line"
scope = ["crates/core/**"]
run = "echo '// db' >> crates/core/src/lib.rs"
[[packet]]
id = "03-core"
objective = "A third last line"
scope = ["crates/core/**"]
run = "echo '// core' >> crates/core/src/lib.rs"
"#,
    steps: &[
        Call("plan crash --from ../plan.toml", 0),
        Call("run crash", 3),
        Call("approve crash integrate --yes", 0),
        Call("run crash", 4),
        Hand(
            "cd ../repo.dynwf/crash/integration && grep -q '<<<<' crates/core/src/lib.rs \
             && grep -q 'crash/02-db' crates/core/src/lib.rs \
             && sed -i '/^[<=>|]\\{7\\}/d' crates/core/src/lib.rs || true",
        ),
        Call("integrate crash --continue", 4),
        Call("integrate crash --abort", 0),
        Call("integrate crash --skip 03-core", 0),
        Call("run crash", 3),
        Call("approve crash land --yes", 0),
        Call("land crash", 0),
    ],
    from: 5,
    merges: &["01-net", "02-db"],
    passes: &[
        "append:ConflictResolved",
        "effect:put-aside",
        "append:PacketGivenUp",
    ],
};

/// A conflict is settled by rule: a command writes a file anew.
pub(super) const BY_RULE: Story = Story {
    plan: r#"
goal = "A list"
base = "main"
[integration]
target = "main"
overlap = "allow"
[[gate]]
before = "integrate"
[[packet]]
id = "01-net"
objective = "One item"
scope = ["items/**", "list"]
run = "mkdir -p items; echo net > items/net; cat items/* > list"
[[packet]]
id = "02-db"
objective = "Another item"
scope = ["items/**", "list"]
run = "mkdir -p items; echo db > items/db; cat items/* > list"
"#,
    steps: &[
        Hand(
            "mkdir -p \"$HOME/.config/dynwf\" && printf '%s\\n' '[[integration.rule]]' 'files = [\"list\"]' \
             'how = \"run\"' 'run = \"cat items/* > list\"' > \"$HOME/.config/dynwf/config.toml\"",
        ),
        Call("plan crash --from ../plan.toml", 0),
        Call("run crash", 3),
        Call("approve crash integrate --yes", 0),
        Call("run crash", 3),
        Call("approve crash land --yes", 0),
        Call("land crash", 0),
    ],
    from: 4,
    merges: &["01-net", "02-db"],
    passes: &["mend:settled", "append:ConflictResolved"],
};

/// A conflict is given to a resolver.
pub(super) const BY_RESOLVER: Story = Story {
    plan: r#"
goal = "One line"
base = "main"
[integration]
target = "main"
overlap = "allow"
[[gate]]
before = "integrate"
[[packet]]
id = "01-net"
objective = "A last line"
scope = ["crates/core/**"]
run = "echo '// net' >> crates/core/src/lib.rs"
[[packet]]
id = "02-db"
objective = "Another last line"
scope = ["crates/core/**"]
run = "echo '// db' >> crates/core/src/lib.rs"
"#,
    steps: &[
        Hand(
            r#"mkdir -p "$HOME/.config/dynwf" && cat > "$HOME/.config/dynwf/config.toml" <<'END'
[integration]
resolver = "mender"
[agents.mender]
adapter = "command"
run = "grep -v -e '<<<<<<<' -e '=======' -e '>>>>>>>' crates/core/src/lib.rs > t; mv t crates/core/src/lib.rs"
END"#,
        ),
        Call("plan crash --from ../plan.toml", 0),
        Call("run crash", 3),
        Call("approve crash integrate --yes", 0),
        Call("run crash", 3),
        Call("approve crash land --yes", 0),
        Call("land crash", 0),
    ],
    from: 4,
    merges: &["01-net", "02-db"],
    passes: &[
        "append:ResolverAsked",
        "append:ConflictResolved",
        "take:after",
    ],
};

/// A check turns red with the last packet: it is found, taken out, replayed onto what the others did, and mended.
pub(super) const BLAMED: Story = Story {
    plan: r#"
goal = "A clash"
base = "main"
[integration]
target = "main"
[[gate]]
before = "integrate"
[[check]]
name = "build"
run = "! { test -e crates/net/renamed && test -e crates/db/caller; }"
[[packet]]
id = "01-net"
objective = "Rename"
scope = ["crates/net/**"]
run = "touch crates/net/renamed"
[[packet]]
id = "02-core"
objective = "A line"
scope = ["crates/core/**"]
run = "echo '// core' >> crates/core/src/lib.rs"
[[packet]]
id = "03-db"
objective = "Call"
scope = ["crates/db/**"]
turns = 2
run = '''
if test -e crates/net/renamed; then rm -f crates/db/caller; touch crates/db/mended
else touch crates/db/caller; fi
'''
"#,
    steps: &[
        Call("plan crash --from ../plan.toml", 0),
        Call("run crash", 3),
        Call("approve crash integrate --yes", 0),
        Call("run crash", 3),
        Call("approve crash land --yes", 0),
        Call("land crash", 0),
    ],
    from: 3,
    merges: &["01-net", "02-core", "03-db"],
    passes: &[
        "append:PacketBlamed",
        "append:IntegrationRebuilt",
        "append:PacketRestacked",
        "effect:restacked",
    ],
};
