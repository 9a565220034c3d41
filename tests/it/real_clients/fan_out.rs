//! A script that fans out over the real clients.

use std::fs;

use serde_json::json;

use crate::support::{Dynwf, ModelServer, Step, TestRepo};

/// Asks every client for an answer by schema, lets each edit in a packet of its own, and integrates the packets.
const SCRIPT: &str = "\
export const meta = { name: 'fan', description: 'Every client answers and edits' }
const schema = { type: 'object', additionalProperties: false, required: ['verdict', 'score'],
  properties: { verdict: { type: 'string' }, score: { type: 'integer' } } }
phase('Ask')
const answers = await parallel(args.clients.map(agent_ => () =>
  agent(`Judge it. [[script=ask-${agent_} cwd=${cwd}]]`, { agent: agent_, schema, label: `ask ${agent_}` })))
phase('Edit')
const said = await parallel(args.clients.map(agent_ => () =>
  agent(`Edit it. [[script=edit-${agent_} cwd=${args.beside}/edit-${agent_}]]`,
    { agent: agent_, isolation: 'worktree', scope: `crates/${agent_}/**`, label: `edit ${agent_}` })))
const merged = await integrate()
return { answers, said, merged: merged.status, packets: merged.packets.map(one => one.id) }
";

#[test]
fn a_script_fans_out_over_every_client() {
    let clients = clients!();
    let names: Vec<&str> = clients.iter().map(|client| client.name).collect();
    let repo = TestRepo::unborn().with_crates(&names).in_use();
    let right = |name: &str| json!({"verdict": format!("{name} likes it"), "score": 7});
    let scripts = names.iter().flat_map(|name| {
        let ask = vec![
            Step::answer(json!({"verdict": "fine", "score": "high"})),
            Step::answer(right(name)),
            Step::say("That is it."),
        ];
        let edit = vec![
            Step::write(format!("crates/{name}/new.txt"), format!("{name}\n")),
            Step::say(format!("{name} edited.")),
        ];
        [(format!("ask-{name}"), ask), (format!("edit-{name}"), edit)]
    });
    let server = ModelServer::start(scripts);
    let mut config = String::new();
    for client in &clients {
        let folder = repo.place().join(format!("{}-home", client.name));
        config += &client.table(&folder, &server.url());
    }
    repo.place().user_config(&config);
    let before = repo.fingerprint();
    let file = repo.place().join("fan.js");
    fs::write(&file, SCRIPT).expect("the script can be written");
    let args = json!({"clients": names, "beside": repo.place().join("repo.dynwf/fan")});
    let (file, args) = (file.display().to_string(), args.to_string());
    let dynwf = Dynwf::new(&repo).env("DYNWF_CONFIG_SANDBOX__MODE", "auto");
    let words = [
        "script", "run", &file, "--json", "--agent", names[0], "--args", &args,
    ];
    let document = dynwf.run(words).expect_code(3).json();
    let value = &document["value"];
    let answers: Vec<_> = names.iter().map(|name| right(name)).collect();
    assert_eq!(value["answers"], json!(answers));
    let said: Vec<_> = names.iter().map(|name| format!("{name} edited.")).collect();
    assert_eq!(value["said"], json!(said));
    assert_eq!(value["merged"], "integrated");
    for name in &names {
        let file = format!("dynwf/fan/integration:crates/{name}/new.txt");
        assert_eq!(repo.git(["show", &file]), *name);
    }
    assert_eq!(document["census"]["null"], 0);
    assert!(
        document["run"]["tokens"]
            .as_u64()
            .is_some_and(|tokens| tokens > 0)
    );
    before.assert_same(&repo.fingerprint());
    let asked = |name: &str| server.asked(&format!("ask-{name}")).len();
    let counts: Vec<usize> = names.iter().map(|name| asked(name)).collect();
    let again = dynwf.run(words).expect_code(3).json();
    assert_eq!(again["value"], document["value"]);
    let after: Vec<usize> = names.iter().map(|name| asked(name)).collect();
    assert_eq!(counts, after);
}
