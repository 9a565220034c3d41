//! A workflow of sixty packets in which most goes well and a dozen does not.
//!
//! Six packets conflict in pairs, three in a lock file for which there is a rule, one renames a directory to which another adds a file, and two
//! break the build only together. Everything that can be integrated is, the guilty ones are named, and what is in the
//! result is counted here line by line, without asking dynwf.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use super::{both, laid, read_laid};
use crate::support::{Dynwf, TestRepo, assert_packet, packet};

const BUILD: &str = "#!/bin/sh
while read -r word name; do grep -q \"fn $name$\" api.txt || { echo \"no fn $name\"; exit 1; }; done < uses.txt
";

const LOCK: &str = "(echo '# lock'; cat deps/*.txt) > deps.lock\n";

/// How many packets there are, and how many modules, of which each packet that is not about something else has one.
const PACKETS: usize = 60;

struct Work {
    plan: String,
    packets: Vec<String>,
}

impl Work {
    fn add(&mut self, id: &str, scope: &str, run: &str) {
        write!(
            self.plan,
            "[[packet]]\nid = \"{id}\"\nobjective = \"Work of {id}\"\nscope = [{scope}]\nrun = '''\n{run}\n'''\n"
        )
        .expect("writing to a string cannot fail");
        self.packets.push(id.to_owned());
    }

    /// A packet with a module of its own and something that others write, too.
    fn add_with_module(&mut self, id: &str, shared: &str, run: &str) {
        let module = self.packets.len();
        self.add(
            id,
            &format!("\"{shared}\", \"src/m{module:02}/**\""),
            &format!("{run}; echo {id} >> src/m{module:02}/lib.txt"),
        );
    }
}

/// The repository and its plan. A person is asked before anything is merged, so that the order is the plan's.
fn repository() -> (TestRepo, Vec<String>) {
    let repo = TestRepo::small();
    for module in 0..PACKETS {
        repo.write(&format!("src/m{module:02}/lib.txt"), &numbered("line", 6));
    }
    for shared in 0..3 {
        repo.write(&format!("shared/s{shared}.txt"), &numbered("shared", 30));
    }
    for name in ["a", "b", "c"] {
        repo.write(&format!("old/{name}.txt"), &numbered(name, 8));
    }
    repo.write("deps.lock", "# lock\nbase 1\n");
    repo.write("api.txt", "fn one\nfn two\n");
    repo.write("uses.txt", "use two\n");
    repo.write("build.sh", BUILD);
    repo.write("lock.sh", LOCK);
    repo.write("deps/base.txt", "base 1\n");
    repo.commit("sixty modules");
    repo.git(["checkout", "-q", "-b", "my-work"]);
    repo.place().user_config(
        "[sandbox]\nmode = \"none\"\n[limits]\nconcurrency = 8\n[gate]\nprotected = []\n\
         [[integration.rule]]\nfiles = [\"deps.lock\"]\nhow = \"run\"\nrun = \"sh lock.sh\"\n",
    );

    let mut work = Work {
        plan: "goal = \"Sixty\"\nbase = \"main\"\n[integration]\ntarget = \"main\"\noverlap = \"allow\"\n\
               [[gate]]\nbefore = \"integrate\"\n[[check]]\nname = \"build\"\nrun = \"sh build.sh\"\n"
            .to_owned(),
        packets: Vec::new(),
    };
    for shared in 0..3 {
        for side in ["a", "b"] {
            let file = format!("shared/s{shared}.txt");
            let run = format!("sed -i '15s/.*/{side} was here/' {file}");
            work.add_with_module(&format!("c{shared}{side}"), &file, &run);
        }
    }
    work.add("api", "\"api.txt\"", "sed -i 's/fn one/fn uno/' api.txt");
    work.add("use", "\"uses.txt\"", "echo 'use one' >> uses.txt");
    for lock in 0..3 {
        let run = format!("echo 'dep{lock} 1' > deps/dep{lock}.txt; sh lock.sh");
        let shared = format!("deps.lock\", \"deps/dep{lock}.txt");
        work.add_with_module(&format!("l{lock}"), &shared, &run);
    }
    work.add("move", "\"old/**\", \"new/**\"", "mv old new");
    work.add("into", "\"old/**\"", "echo added > old/d.txt");
    while work.packets.len() < PACKETS {
        let id = format!("p{:02}", work.packets.len());
        let module = format!("src/m{:02}/**", work.packets.len());
        let file = module.replace("**", "lib.txt");
        work.add(
            &id,
            &format!("\"{module}\""),
            &format!("echo {id} >> {file}"),
        );
    }
    let plan = repo.place().join("plan.toml");
    fs::write(&plan, &work.plan).expect("the plan can be written");
    let plan = plan.display().to_string();
    Dynwf::new(&repo)
        .run(["plan", "lines", "--from", &plan])
        .success();
    (repo, work.packets)
}

fn numbered(word: &str, lines: usize) -> String {
    (1..=lines).fold(String::new(), |text, line| {
        text + &format!("{word} {line}\n")
    })
}

/// The packets with a status.
fn with(status: &Value, word: &str) -> BTreeSet<String> {
    let packets = status["packets"].as_array().expect("packets").iter();
    packets
        .filter(|packet| packet["status"] == word)
        .map(|packet| packet["id"].as_str().expect("an id").to_owned())
        .collect()
}

fn set(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|&id| id.to_owned()).collect()
}

#[test]
fn sixty_packets_end_with_everything_integrated_that_can_be() {
    let (repo, packets) = repository();
    assert_eq!(packets.len(), PACKETS);
    let before = repo.fingerprint();
    let dynwf = Dynwf::new(&repo);
    dynwf.line("run lines").expect_code(3);
    dynwf.line("approve lines integrate --yes").success();

    // What conflicts keeps nothing else up, and is not done.
    let conflicting = ["c0b", "c1b", "c2b", "into"];
    dynwf.line("run lines").expect_code(4);
    let status = dynwf.status("lines");
    assert_eq!(with(&status, "conflicted"), set(&conflicting));
    assert_eq!(
        with(&status, "integrated").len(),
        PACKETS - conflicting.len()
    );
    assert_ne!(status["status"], "complete");
    assert_packet(&status, "c1b", "conflicted", "with c1a in shared/s1.txt");

    // A person takes both sides each time, and lets the last one be put off once.
    for (at, id) in conflicting.into_iter().enumerate() {
        let status = dynwf.status("lines");
        assert_eq!(status["integration"]["resolving"], id);
        let file = packet(&status, id)["conflict"][0]["path"]
            .as_str()
            .expect("a path")
            .to_owned();
        let text = both(&read_laid(&repo, &file));
        fs::write(laid(&repo, &file), text).expect("it can be resolved");
        let last = at + 1 == conflicting.len();
        let code = if last { 0 } else { 4 };
        dynwf.line("integrate lines --continue").expect_code(code);
    }

    // The build breaks: one of the two that break it together is found and taken out.
    dynwf.line("run lines").expect_code(3);
    let status = dynwf.status("lines");
    assert_eq!(with(&status, "failed"), set(&["use"]));
    assert_packet(&status, "use", "failed", "check `build` exit 1");
    assert_eq!(with(&status, "integrated").len(), PACKETS - 1);
    assert_eq!(status["checks"][0]["status"], "passed");
    let page = repo.read(".workflow/lines/integration.md");
    assert!(page.contains("use: failed"), "{page}");
    assert!(page.contains("c0b: nothing is lacking"), "{page}");
    assert!(page.contains("l1, resolved by rule sh lock.sh"), "{page}");
    before.assert_same(&repo.fingerprint());

    dynwf.line("approve lines land --yes").success();
    dynwf.line("land lines").success();
    assert_landed(&repo, &packets);

    // One failed: that is no success, and another run changes nothing.
    let main = repo.resolve("refs/heads/main");
    dynwf.line("run lines").expect_code(1);
    assert_eq!(dynwf.status("lines")["status"], "failed");
    assert_eq!(repo.resolve("refs/heads/main"), main);
}

/// Every line that an integrated packet added is in the target, once; nothing else was changed.
fn assert_landed(repo: &TestRepo, packets: &[String]) {
    let show = |file: &str| repo.git(["show", &format!("refs/heads/main:{file}")]);
    let mut changed = BTreeSet::new();
    for (module, id) in packets.iter().enumerate() {
        if ["api", "use", "move", "into"].contains(&id.as_str()) {
            continue;
        }
        let file = format!("src/m{module:02}/lib.txt");
        assert_eq!(show(&file) + "\n", numbered("line", 6) + id + "\n");
        changed.insert(file);
    }
    for shared in 0..3 {
        let file = format!("shared/s{shared}.txt");
        let wanted = numbered("shared", 30).replace("shared 15\n", "a was here\nb was here\n");
        assert_eq!(show(&file) + "\n", wanted);
        changed.insert(file);
    }
    assert_eq!(show("deps.lock"), "# lock\nbase 1\ndep0 1\ndep1 1\ndep2 1");
    assert_eq!(show("api.txt"), "fn uno\nfn two");
    assert_eq!(show("uses.txt"), "use two", "the guilty one is not in it");
    changed.extend(["deps.lock", "api.txt"].map(str::to_owned));
    changed.extend((0..3).map(|dep| format!("deps/dep{dep}.txt")));
    for name in ["a", "b", "c"] {
        assert_eq!(show(&format!("new/{name}.txt")) + "\n", numbered(name, 8));
        changed.extend([format!("new/{name}.txt"), format!("old/{name}.txt")]);
    }
    assert_eq!(
        show("new/d.txt"),
        "added",
        "it went where its directory went"
    );
    changed.insert("new/d.txt".to_owned());
    let names = repo.git([
        "diff",
        "--name-only",
        "--no-renames",
        "my-work",
        "refs/heads/main",
    ]);
    let names: BTreeSet<String> = names.lines().map(str::to_owned).collect();
    assert_eq!(names, changed);
    let merges = repo.git([
        "rev-list",
        "--count",
        "--first-parent",
        "--merges",
        "my-work..main",
    ]);
    assert_eq!(merges, (PACKETS - 1).to_string(), "one merge a packet");
}
