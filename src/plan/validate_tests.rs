use super::*;
use crate::plan::parse::{parse_json, parse_toml};

const HEAD: &str = "goal = \"g\"\n[[check]]\nname = \"t\"\nrun = \"true\"\n";

fn look(text: &str, files: &[&str], head: Option<&str>) -> Report {
    let (plan, places) = parse_toml(text, "plan.toml").expect("well-formed");
    let files: Vec<RepoPath> = files.iter().map(|&file| RepoPath::from(file)).collect();
    let agents = ["codex", "command", "parent"].map(str::to_owned);
    let head = head.map(|name| RefName::of_branch(name).expect("a branch"));
    let around = Surroundings {
        files: &files,
        known_agents: &agents,
        head_branch: head.as_ref(),
    };
    validate(&plan, &places, &around)
}

/// The first lines of all errors, of a plan with one check; packets begin in line 5.
fn errors(packets: &str) -> Vec<String> {
    first_lines(
        &look(
            &format!("{HEAD}{packets}"),
            &["a/x.rs", "b/x.rs"],
            Some("main"),
        )
        .errors,
    )
}

fn warnings(packets: &str) -> Vec<String> {
    let report = look(
        &format!("{HEAD}{packets}"),
        &["a/x.rs", "b/x.rs"],
        Some("main"),
    );
    assert_eq!(first_lines(&report.errors), [""; 0]);
    first_lines(&report.warnings)
}

fn first_lines(problems: &[Problem]) -> Vec<String> {
    let first = |problem: &Problem| problem.to_string().lines().next().unwrap_or("").to_owned();
    problems.iter().map(first).collect()
}

fn packet(id: &str, more: &str) -> String {
    format!("[[packet]]\nid = \"{id}\"\nobjective = \"o\"\n{more}\n")
}

#[test]
fn a_good_plan_has_no_problems() {
    let text = packet("a", "scope = [\"a/**\"]\nrun = \"true\"")
        + &packet(
            "b",
            "scope = [\"b\"]\nagent = \"codex\"\nafter = [\"a\"]\nturns = 3\nchecks = [\"true\"]",
        )
        + &packet("c", "kind = \"research\"\nagent = \"parent\"")
        + "[[gate]]\nbefore = \"packet:a\"\n[[gate]]\nbefore = \"land\"\n[integration]\ntarget = \"release/1\"\n";
    assert_eq!(warnings(&text), [""; 0]);
}

#[test]
fn empty_texts_are_refused() {
    let text = "goal = \" \"\n[[check]]\nname = \"\"\nrun = \"\"\n[[risk]]\nwhat = \"\"\n[[packet]]\nid = \"a\"\n\
                objective = \"\"\nscope = [\"a\"]\nrun = \"\\t\"\nchecks = [\"true\", \"\"]\n";
    let found = first_lines(&look(text, &[], Some("main")).errors);
    assert_eq!(
        found,
        [
            "plan.toml:1:8: `goal` is empty",
            "plan.toml:3:8: `name` is empty",
            "plan.toml:4:7: `run` is empty",
            "plan.toml:6:8: `what` is empty",
            "plan.toml:9:13: `objective` is empty",
            "plan.toml:11:7: `run` is empty",
            "plan.toml:12:19: the check is an empty command",
        ]
    );
    assert_eq!(errors(""), ["plan.toml:1:1: the plan has no packets"]);
}

#[test]
fn commands_that_no_shell_can_be_given_are_refused() {
    let text = "goal = \"g\"\n[[check]]\nname = \"c\"\nrun = \"a\\u0000\"\n".to_owned()
        + &packet(
            "a",
            "scope = [\"a\"]\nrun = \"\\u0000\"\nchecks = [\"\\u0000x\"]",
        );
    assert_eq!(
        first_lines(&look(&text, &[], Some("main")).errors),
        [
            "plan.toml:4:7: the command holds a NUL, which no command can",
            "plan.toml:9:7: the command holds a NUL, which no command can",
            "plan.toml:10:11: the command holds a NUL, which no command can",
        ]
    );
}

#[test]
fn ids_are_unique() {
    let text =
        packet("a", "scope = [\"a\"]\nrun = \"x\"") + &packet("a", "scope = [\"b\"]\nrun = \"x\"");
    assert_eq!(
        errors(&text),
        ["plan.toml:11:6: the packet id `a` is used twice, first in line 6"]
    );
}

#[test]
fn what_a_packet_needs_exists_and_does_not_need_it_back() {
    let text = packet(
        "net",
        "scope = [\"a\"]\nrun = \"x\"\nafter = [\n\"cli\", \"nett\"]",
    ) + &packet(
        "cli",
        "scope = [\"b\"]\nrun = \"x\"\nafter = [\"net\", \"net\"]",
    );
    assert_eq!(
        errors(&text),
        [
            "plan.toml:11:1: packets wait for each other: net → cli → net",
            "plan.toml:11:8: no packet is called `nett`; did you mean `net`?",
        ]
    );
    let own = packet("a", "scope = [\"a\"]\nrun = \"x\"\nafter = [\"a\"]");
    assert_eq!(
        errors(&own),
        ["plan.toml:10:10: packets wait for each other: a → a"]
    );
}

#[test]
fn scopes_are_there_and_stay_in_the_repository() {
    let text = packet("a", "run = \"x\"")
        + &packet(
            "b",
            "run = \"x\"\nscope = [\"/etc\", \"a/../b\",\n\".git/hooks\", \"b[\", \"b/**\"]",
        );
    assert_eq!(
        errors(&text),
        [
            "plan.toml:5:1: packet `a` has no `scope`: list the globs that it may change, or say kind = \"research\"",
            "plan.toml:13:10: `/etc`: the pattern is absolute; patterns are relative to the top of the repository",
            "plan.toml:13:18: `a/../b`: the pattern climbs out of the repository with `..`",
            "plan.toml:14:1: `.git/hooks`: the pattern names git's own folder",
            "plan.toml:14:15: `b[`: a class of the pattern has no `]`",
        ]
    );
}

#[test]
fn packets_that_may_run_together_do_not_overlap() {
    let two = |scope: &str| {
        packet("a", "scope = [\"c\", \"a/**\"]\nrun = \"x\"")
            + &packet("b", &format!("scope = [\"b\", \"{scope}\"]\nrun = \"x\""))
    };
    let rest = "may run together and may both change files";
    let way = "order them with `after`, narrow a scope, or set [integration] overlap";
    assert_eq!(
        errors(&two("**/*.rs")),
        [format!(
            "plan.toml:13:15: packets `a` (`a/**`) and `b` (`**/*.rs`) {rest} such as `a/x.rs`: {way}"
        )]
    );
    assert_eq!(
        errors(&two("a/new.txt")),
        [format!(
            "plan.toml:13:15: packets `a` (`a/**`) and `b` (`a/new.txt`) {rest} such as `a/new.txt` (no such file is \
             there yet): {way}"
        )]
    );
    assert_eq!(errors(&two("d/**")), [""; 0]);
    for overlap in ["serialize", "allow"] {
        let text = format!("{}[integration]\noverlap = \"{overlap}\"\n", two("a/x.rs"));
        assert_eq!(errors(&text), [""; 0], "{overlap}");
    }
    let ordered = two("a/x.rs") + "after = [\"a\"]\n";
    assert_eq!(errors(&ordered), [""; 0]);
    let research = two("a/x.rs") + "kind = \"research\"\n";
    assert_eq!(errors(&research), [""; 0]);
}

#[test]
fn agents_are_known_and_have_their_command() {
    let text = packet("a", "scope = [\"a\"]")
        + &packet("b", "scope = [\"b\"]\nagent = \"codx\"")
        + &packet("c", "scope = [\"c\"]\nagent = \"codex\"\nrun = \"x\"")
        + &packet("d", "scope = [\"d\"]\nagent = \"command\"");
    assert_eq!(
        errors(&text),
        [
            "plan.toml:5:1: packet `a` needs `agent`, or `run` with a command",
            "plan.toml:13:9: no agent is called `codx`; did you mean `codex`?",
            "plan.toml:19:7: `run` goes with the agent `command`, not `codex`",
            "plan.toml:24:9: packet `d` has the agent `command` and no `run`",
        ]
    );
}

#[test]
fn names_of_checks_are_unique_and_gates_are_at_known_places() {
    let text = packet("a", "scope = [\"a\"]\nrun = \"x\"")
        + "[[check]]\nname = \"t\"\nrun = \"x\"\n[[gate]]\nbefore = \"packet:b\"\n[[gate]]\nbefore = \"lnad\"\n";
    assert_eq!(
        errors(&text),
        [
            "plan.toml:11:8: two checks are called `t`",
            "plan.toml:14:10: no packet is called `b`; did you mean `a`?",
            "plan.toml:16:10: `before` must be packet:ID, integrate, land or push, not `lnad`; did you mean `land`?",
        ]
    );
}

#[test]
fn target_base_and_strategy_can_be_used() {
    let one = packet("a", "scope = [\"a\"]\nrun = \"x\"");
    for (line, expected) in [
        ("target = \"a b\"", "12:10: `a b` is no branch name"),
        ("target = \"-x\"", "12:10: `-x` is no branch name"),
        ("target = \"HEAD\"", "12:10: `HEAD` is no branch name"),
        (
            "target = \"refs/tags/v1\"",
            "12:10: `refs/tags/v1` is no branch name",
        ),
        (
            "target = \"dynwf/x/integration\"",
            "12:10: `dynwf/x/integration` is below dynwf/, where packets have their branches",
        ),
        (
            "strategy = \"rebase\"",
            "12:12: strategy \"rebase\" is not available yet: use \"merge\" (one merge commit per packet) or \"squash\" \
             (one ordinary commit per packet)",
        ),
    ] {
        let text = format!("{one}\n[integration]\n{line}\n");
        assert_eq!(errors(&text), [format!("plan.toml:{expected}")], "{line}");
    }
    for line in [
        "target = \"refs/heads/main\"",
        "strategy = \"squash\"",
        "order = \"smallest-first\"",
    ] {
        assert_eq!(
            errors(&format!("{one}\n[integration]\n{line}\n")),
            [""; 0],
            "{line}"
        );
    }
    for (base, good) in [
        ("main~3", true),
        ("v1.0^{commit}", true),
        ("", false),
        ("--all", false),
        ("a..b", false),
        ("a b", false),
    ] {
        let text = format!("base = \"{base}\"\n{HEAD}{one}");
        let found = first_lines(&look(&text, &[], Some("main")).errors);
        let expected = format!("plan.toml:1:8: `{base}` is no revision");
        assert_eq!(found, if good { vec![] } else { vec![expected] });
    }
    let detached = first_lines(&look(&format!("{HEAD}{one}"), &[], None).errors);
    assert_eq!(
        detached,
        [
            "plan.toml:1:1: `target` is missing and no branch is checked out: name the branch to land on"
        ]
    );
}

#[test]
fn what_is_odd_is_a_warning() {
    let text = packet(
        "a",
        "scope = [\"a\", \"gone/**\", \"new.rs\"]\nrun = \"x\"\nturns = 2",
    ) + &packet("b", "scope = [\"b\"]\nrun = \"x\"\nafter = [\"a\", \"a\"]")
        + "[[gate]]\nbefore = \"land\"\n[[gate]]\nbefore = \"land\"\n";
    assert_eq!(
        warnings(&text),
        [
            "plan.toml:8:15: `gone/**` matches no file of the base",
            "plan.toml:8:26: `new.rs` matches no file of the base",
            "plan.toml:10:9: packet `a` has `turns` and no check that could ask for another one",
            "plan.toml:16:15: `a` is named twice",
            "plan.toml:20:10: a gate before `land` is there already",
        ]
    );
    let none = format!(
        "goal = \"g\"\n{}",
        packet("a", "scope = [\"a\"]\nrun = \"x\"")
    );
    let report = look(&none, &[], Some("main"));
    assert_eq!(
        first_lines(&report.warnings),
        ["plan.toml:1:1: the plan has no checks: nothing will show that the result works"]
    );
    assert_eq!(report.into_result().expect("good").len(), 1);
}

#[test]
fn a_plan_of_too_many_packets_is_refused() {
    let many = |count: usize| -> String {
        let packets = (0..count).map(|n| {
            format!(
                "[[packet]]\nid = \"{n}\"\nobjective = \"o\"\nscope = [\"{n}/**\"]\nrun = \"x\"\n"
            )
        });
        packets.collect()
    };
    assert_eq!(errors(&many(MAX_PACKETS)), [""; 0]);
    assert_eq!(
        errors(&many(MAX_PACKETS + 1)),
        [
            "plan.toml:1:1: the plan has 1001 packets and may have at most 1000: split it into several workflows"
        ]
    );
}

#[test]
fn a_json_plan_gets_the_same_places() {
    let text = "{\"goal\": \"g\",\n\"packet\": [{\"id\": \"a\", \"objective\": \"o\",\n\"scope\": [\"a\", \"/b\"], \"run\": \"x\"}]}";
    let (plan, places) = parse_json(text, "plan.json").expect("well-formed");
    let around = Surroundings {
        files: &[],
        known_agents: &[],
        head_branch: Some(&RefName::of_branch("main").expect("a branch")),
    };
    let report = validate(&plan, &places, &around);
    assert!(
        report.errors[0]
            .to_string()
            .starts_with("plan.json:3:16: `/b`: "),
        "{report:?}"
    );
    let error = report.into_result().expect_err("bad");
    assert_eq!(crate::error::code_of(&error), crate::error::ExitCode::Usage);

    let built = validate(&plan, &Places::default(), &around);
    assert!(
        built.errors[0].to_string().starts_with("the plan: `/b`: "),
        "{built:?}"
    );
}
