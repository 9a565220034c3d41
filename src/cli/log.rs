//! `dynwf log`: the journal, for people.

use std::time::Duration;

use anyhow::Result;
use jiff::tz::TimeZone;

use super::context::Context;
use super::output;
use crate::error::ExitCode;
use crate::model::event::Event;
use crate::model::id::{PacketId, Slug, UnitId};
use crate::report::line::Teller;

/// How often to look for more.
const LOOK: Duration = Duration::from_millis(200);

/// Show everything that happened in a workflow, a line each
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dynwf log refactor
  dynwf log refactor --packet 03-cli
  dynwf log refactor --unit 12           what that unit printed
  dynwf log refactor --follow            until the run that is going on ends
  dynwf log refactor --json | jq .kind   a JSON document a line")]
pub(super) struct LogArgs {
    /// The workflow
    slug: Slug,

    /// Only what is about this packet
    #[arg(long)]
    packet: Option<PacketId>,

    /// What this unit printed, such as a check of the integrated tree
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["packet", "brief", "follow", "json"])]
    unit: Option<u64>,

    /// Only what somebody who watches a run wants to know
    #[arg(long, conflicts_with = "json")]
    brief: bool,

    /// Go on showing it while a dynwf holds the workflow
    #[arg(long, short)]
    follow: bool,

    /// One JSON document a line: what was recorded, and in words
    #[arg(long)]
    json: bool,
}

pub(super) fn log(context: &Context, args: &LogArgs) -> Result<ExitCode> {
    let state = context.state(&args.slug)?;
    if let Some(packet) = &args.packet {
        super::packet::of(&state, packet)?;
    }
    if let Some(number) = args.unit {
        return super::packet::log_of_unit(context, &args.slug, UnitId(number));
    }
    let mut teller = Teller::default();
    let zone = TimeZone::system();
    let mut shown = 0;
    loop {
        // First whether it is held, then what is there: so that the last records are never missed.
        let held = args.follow && context.store.is_held(&args.slug)?;
        for event in context.store.events(&args.slug)?.iter().skip(shown) {
            shown += 1;
            show(&mut teller, &zone, event, args)?;
        }
        if !held {
            return Ok(ExitCode::Done);
        }
        std::thread::sleep(LOOK);
    }
}

fn show(teller: &mut Teller, zone: &TimeZone, event: &Event, args: &LogArgs) -> Result<()> {
    // Told even if it is not shown: the teller remembers what later events refer to.
    let told = teller.tell(event);
    if args.packet.is_some() && told.packet != args.packet || args.brief && !told.news {
        return Ok(());
    }
    if args.json {
        let mut document = serde_json::json!({
            "seq": event.seq, "at": event.at, "packet": told.packet, "text": told.text,
        });
        if let (Some(document), serde_json::Value::Object(fact)) =
            (document.as_object_mut(), serde_json::to_value(&event.kind)?)
        {
            document.extend(fact);
        }
        return output::answer(&document.to_string());
    }
    output::answer(&told.line(zone, true))
}
