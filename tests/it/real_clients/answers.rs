//! Structured answers: asked for, found wrong, asked for again in the same conversation.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use dynwf::agent::env::unit_environment;
use dynwf::agent::schema::{self, Schema};
use dynwf::agent::{self, Call, Verdict};
use dynwf::config::AgentConfig;
use dynwf::model::unit::UnitOutcome;
use serde_json::{Value, json};

use super::scene::{Client, Scene, Setting};
use crate::support::Step;

/// One client, asked by hand, as a unit would ask it.
struct Asker<'a> {
    scene: &'a Scene,
    client: &'a Client,
    config: AgentConfig,
    schema: PathBuf,
    result: PathBuf,
}

impl<'a> Asker<'a> {
    fn new(scene: &'a Scene, client: &'a Client, wanted: &Value) -> Self {
        let place = scene.repo.place();
        let file = |name: &str| place.join(format!("{}-{name}", client.name));
        let asker = Self {
            scene,
            client,
            config: scene.agent_config(client.name),
            schema: file("schema.json"),
            result: file("result"),
        };
        fs::write(&asker.schema, wanted.to_string()).expect("the schema can be written");
        asker
    }

    fn ask(&self, prompt: &str, session: Option<&str>) -> Verdict {
        let agent = agent::for_name(self.client.name, &self.config).expect("an adapter");
        let launch = agent
            .argv(&Call {
                config: &self.config,
                program: None,
                prompt,
                prompt_file: &self.result.with_extension("prompt"),
                result_file: &self.result,
                schema_file: Some(&self.schema),
                workspace: self.scene.repo.path(),
                session,
                run: None,
                sandboxed: false,
            })
            .expect("a command line");
        let told = [(
            "DYNWF_RESULT_FILE".to_owned(),
            self.result.display().to_string(),
        )];
        let mut command = self.scene.repo.place().command(&launch.argv[0]);
        let caller = command.get_envs();
        let caller: Vec<_> = caller
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
            .collect();
        let env = unit_environment(caller, &self.config, &launch.env, &told.into());
        let output = command
            .args(&launch.argv[1..])
            .env_clear()
            .envs(env)
            .current_dir(self.scene.repo.path())
            .stdin(Stdio::null())
            .output()
            .expect("the client can be started");
        let mut reader = agent.reader();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            reader.line(line);
        }
        let code = output.status.code().expect("it was not killed");
        reader
            .finish(&UnitOutcome::Exited(code))
            .explained(&String::from_utf8_lossy(&output.stderr))
    }
}

#[test]
fn a_structured_answer_is_mended_where_the_schema_refuses_it() {
    let clients = clients!();
    let wanted = json!({
        "type": "object", "additionalProperties": false, "required": ["verdict", "score"],
        "properties": {"verdict": {"type": "string"}, "score": {"type": "integer"}}
    });
    let right = json!({"verdict": "fine", "score": 7});
    let scene = Scene::new(&Setting::of(&clients), |_| {
        let wrong = json!({"verdict": "fine", "score": "high"});
        vec![
            Step::answer(wrong),
            Step::answer(right.clone()),
            Step::say("That is it."),
        ]
    });
    let schema = Schema::new(&wanted).expect("a schema");
    for client in &clients {
        let asker = Asker::new(&scene, client, &wanted);
        let id = client.name;
        let first = format!(
            "Judge it. [[script={id}]]\n\n{}",
            schema::instructions(&wanted)
        );
        let mut verdict = asker.ask(&first, None);
        let mut rounds = 1;
        while let Err(problems) = schema.answer(&verdict, &asker.result) {
            assert!(verdict.ok && rounds < 3, "{id}: {verdict:?} {problems:?}");
            assert!(problems[0].starts_with("$.score: "), "{id}: {problems:?}");
            let session = verdict.session.clone();
            verdict = asker.ask(&schema::ask_again(&problems), session.as_deref());
            rounds += 1;
        }
        assert!(verdict.ok, "{id}: {verdict:?}");
        assert_eq!(
            schema.answer(&verdict, &asker.result),
            Ok(right.clone()),
            "{id}"
        );
        // Claude Code has a tool for it, which refuses what does not fit: one process is enough.
        assert_eq!(rounds, if id == "claude" { 1 } else { 2 }, "{id}");
        let requests = scene.server.asked(id);
        assert_eq!((requests[0].step, requests[1].step), (0, 1), "{id}");
        // The one format that has a place for it carries the schema itself.
        let carried = &requests[0].body["text"]["format"]["schema"];
        assert_eq!(!carried.is_null(), id == "codex", "{id}: {carried}");
    }
}
