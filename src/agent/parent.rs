//! The `parent` agent: work done outside dynwf, by the host agent or a person. It is never launched.

use anyhow::Result;

use super::contract::{Agent, Call, Launch, Reader};
use super::verdict::{AgentEvent, Verdict, spoiled};
use crate::error::Failure;
use crate::model::plan::PARENT_AGENT;
use crate::model::unit::UnitOutcome;

/// Stands for the worker outside dynwf.
pub(super) struct Parent;

impl Agent for Parent {
    fn name(&self) -> &'static str {
        PARENT_AGENT
    }

    fn argv(&self, _call: &Call<'_>) -> Result<Launch> {
        Err(
            Failure::usage("parent work is done outside dynwf; there is nothing to start")
                .hint("`dynwf packet next SLUG` hands it out, `dynwf packet done SLUG ID` takes it back")
                .into(),
        )
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(Outside)
    }
}

struct Outside;

impl Reader for Outside {
    fn line(&mut self, _line: &str) -> Vec<AgentEvent> {
        Vec::new()
    }

    fn finish(self: Box<Self>, outcome: &UnitOutcome) -> Verdict {
        let why = spoiled(outcome);
        Verdict {
            ok: why.is_none(),
            why,
            ..Verdict::default()
        }
    }
}
