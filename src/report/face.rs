//! The face: the files of `.workflow/<slug>/`, rendered from the state.
//!
//! Invariants: what is there can be rendered again at any time, and writing twice changes nothing; nothing is
//! removed, and no symbolic link is followed (see `folder`). The plan that people edit (`plan.toml`) is only
//! written where the caller says so. Called by `cli`, after the runner's batches and by `report --rebuild`.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use jiff::Timestamp;

use super::folder::Folder;
use super::result::{integration_md, packet_md as result_md};
use super::state_json;
use super::summary;
use super::view::StatusView;
use crate::model::id::{PacketId, Slug};
use crate::model::state::RunState;
use crate::model::status::WorkflowStatus;
use crate::plan::render::{Setting, orchestration_md, packet_md, plan_md};
use crate::plan::toml_text;

/// Texts that are rendered from the plan; what is absent is left as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanTexts {
    /// `plan.toml`.
    pub plan_toml: Option<String>,
    /// `plan.md`.
    pub plan_md: Option<String>,
    /// `orchestration.md`.
    pub orchestration_md: Option<String>,
    /// `packets/<id>.md`.
    pub packets: Vec<(PacketId, String)>,
}

impl PlanTexts {
    /// Renders the pages of the plan that was fixed; nothing before that. `plan.toml` is the person's own and
    /// not among them.
    pub fn of(state: &RunState) -> Self {
        let Some(frozen) = &state.frozen else {
            return Self::default();
        };
        let plan = &frozen.plan;
        let setting = Setting {
            slug: &state.slug,
            base: Some(&frozen.base),
            target: Some(&frozen.target),
        };
        Self {
            plan_toml: None,
            plan_md: Some(plan_md(&setting, plan)),
            orchestration_md: Some(orchestration_md(&setting, plan)),
            packets: plan
                .packets
                .iter()
                .map(|packet| (packet.id.clone(), packet_md(&setting, plan, packet)))
                .collect(),
        }
    }

    /// As [`PlanTexts::of`], with `plan.toml` written from the plan that was fixed: for a face that was lost.
    pub fn rebuilt(state: &RunState) -> Self {
        Self {
            plan_toml: state.frozen.as_ref().map(|frozen| toml_text(&frozen.plan)),
            ..Self::of(state)
        }
    }
}

/// The folder of a workflow that people look into.
#[derive(Clone, Debug)]
pub struct Face {
    root: PathBuf,
    common: PathBuf,
    slug: Slug,
}

/// What git is told not to look at: runs are not committed, recipes are.
const EXCLUDED: [&str; 2] = ["/.workflow/*", "!/.workflow/recipes/"];

impl Face {
    /// The face of a workflow: `root` is the work tree that holds `.workflow`, `common` the git common
    /// directory.
    pub fn new(root: &Path, common: &Path, slug: &Slug) -> Self {
        Self {
            root: root.to_owned(),
            common: common.to_owned(),
            slug: slug.clone(),
        }
    }

    /// Returns the folder, `<root>/.workflow/<slug>`, which may not be there yet.
    pub fn path(&self) -> PathBuf {
        self.root.join(".workflow").join(self.slug.as_str())
    }

    /// Writes everything that differs; returns the names of what was written, relative to the folder.
    ///
    /// # Errors
    /// If something cannot be written, or a link or another kind of file is in the way.
    pub fn write(
        &self,
        state: &RunState,
        texts: &PlanTexts,
        now: Timestamp,
    ) -> Result<Vec<String>> {
        let folder = self.open()?;
        let mut written = Written::default();
        written.plan(&folder, texts)?;
        if state.frozen.is_none() {
            return Ok(written.names);
        }
        let view = StatusView::new(state, now);
        let results: Vec<_> = view
            .packets
            .iter()
            .filter(|packet| state_json::has_result(packet))
            .collect();
        if !results.is_empty() {
            let below = folder.below("results")?;
            for packet in results {
                let name = format!("{}.md", packet.id);
                written.file(&below, "results/", &name, &result_md(state, packet))?;
            }
        }
        if state.integration.is_some() {
            let text = integration_md(state, &view);
            written.file(&folder, "", "integration.md", &text)?;
        }
        let over = matches!(
            view.status,
            WorkflowStatus::Complete | WorkflowStatus::Failed
        );
        // While a run goes on, what looks like an end may be none: the gate for landing may open in a moment. Once
        // written it is kept up to date, or it would tell of an end that was none.
        if (over && !state.open_run) || state.archived || folder.read("final-report.md")?.is_some()
        {
            let text = summary::render(state, &view);
            written.file(&folder, "", "final-report.md", &text)?;
        }
        // Last, because it names the others.
        let text = state_json::render(state, &view);
        written.file(&folder, "", "state.json", &text)?;
        Ok(written.names)
    }

    /// Writes the plan's texts only, before anything is split.
    ///
    /// # Errors
    /// As [`Face::write`].
    pub fn write_plan(&self, texts: &PlanTexts) -> Result<Vec<String>> {
        let mut written = Written::default();
        written.plan(&self.open()?, texts)?;
        Ok(written.names)
    }

    /// Returns a file of the folder, such as `plan.toml`; none if it is not there.
    ///
    /// # Errors
    /// If it cannot be read, or is no plain file.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        if !self.path().exists() {
            return Ok(None);
        }
        self.open()?.read(name)
    }

    fn open(&self) -> Result<Folder> {
        ignore_runs(&self.common)?;
        Folder::open(&self.root)?
            .below(".workflow")?
            .below(self.slug.as_str())
    }
}

#[derive(Default)]
struct Written {
    names: Vec<String>,
}

impl Written {
    fn plan(&mut self, folder: &Folder, texts: &PlanTexts) -> Result<()> {
        for (name, text) in [
            ("plan.toml", &texts.plan_toml),
            ("plan.md", &texts.plan_md),
            ("orchestration.md", &texts.orchestration_md),
        ] {
            if let Some(text) = text {
                self.file(folder, "", name, text)?;
            }
        }
        if !texts.packets.is_empty() {
            let below = folder.below("packets")?;
            for (id, text) in &texts.packets {
                self.file(&below, "packets/", &format!("{id}.md"), text)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, folder: &Folder, below: &str, name: &str, text: &str) -> Result<()> {
        if folder.write(name, text.as_bytes())? {
            self.names.push(format!("{below}{name}"));
        }
        Ok(())
    }
}

/// Tells git, for this repository only, not to look at runs: adds the lines to `info/exclude` that are not
/// there. Everything else in the file stays as it is, byte for byte. Returns whether anything was added.
///
/// # Errors
/// If the file cannot be read or written.
pub fn ignore_runs(common: &Path) -> Result<bool> {
    let info = common.join("info");
    let path = info.join("exclude");
    let context = || format!("adding .workflow to {}", path.display());
    let old = match std::fs::read(&path) {
        Ok(old) => old,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error).with_context(context),
    };
    let has = |wanted: &str| {
        old.split(|&byte| byte == b'\n')
            .any(|line| line.trim_ascii_end() == wanted.as_bytes())
    };
    // The last line that matches decides, so that the exception must follow the rule.
    let missing = match EXCLUDED.map(has) {
        [true, true] => return Ok(false),
        [true, false] => &EXCLUDED[1..],
        [false, _] => &EXCLUDED[..],
    };
    let mut added = String::new();
    if old.last().is_some_and(|&last| last != b'\n') {
        added.push('\n');
    }
    for line in missing {
        added.push_str(line);
        added.push('\n');
    }
    std::fs::create_dir_all(&info).with_context(context)?;
    // One short write at the end: it happens as a whole or not at all, and what is there is not touched.
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .and_then(|mut file| file.write_all(added.as_bytes()))
        .with_context(context)?;
    Ok(true)
}
