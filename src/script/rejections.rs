//! Promises that were rejected while nothing handled them: a script would lose those errors without a trace.
//!
//! Invariant: at most a few are kept, so that a script cannot fill the host's memory with them.

use std::cell::RefCell;
use std::rc::Rc;

use rquickjs::{Ctx, Persistent, Runtime, Value};

/// How many are kept.
const MOST: usize = 20;

type Kept = Rc<RefCell<Vec<(Persistent<Value<'static>>, String)>>>;

/// The rejections that nothing has handled yet.
pub(super) struct Unhandled(Kept);

impl Unhandled {
    /// Watches every promise of an engine.
    pub(super) fn watch(runtime: &Runtime) -> Self {
        let kept = Kept::default();
        let of = Rc::clone(&kept);
        runtime.set_host_promise_rejection_tracker(Some(Box::new(
            move |ctx: Ctx<'_>, promise: Value<'_>, reason: Value<'_>, handled: bool| {
                let promise = Persistent::save(&ctx, promise);
                let mut kept = of.borrow_mut();
                if handled {
                    kept.retain(|(other, _)| *other != promise);
                } else if kept.len() < MOST {
                    kept.push((promise, words(&reason)));
                }
            },
        )));
        Self(kept)
    }

    /// What was thrown, and nobody caught.
    pub(super) fn messages(&self) -> Vec<String> {
        self.0
            .borrow()
            .iter()
            .map(|(_, text)| text.clone())
            .collect()
    }
}

impl Drop for Unhandled {
    fn drop(&mut self) {
        // The watcher belongs to the engine and outlives this; what it keeps must not outlive the engine.
        self.0.borrow_mut().clear();
    }
}

fn words(reason: &Value<'_>) -> String {
    let message = reason
        .as_object()
        .and_then(|object| object.get::<_, Value<'_>>("message").ok())
        .unwrap_or_else(|| reason.clone());
    message
        .as_string()
        .and_then(|text| text.to_string().ok())
        .unwrap_or_else(|| message.type_name().to_owned())
}
