//! dynwf: one large code change as many small supervised ones.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod error;
pub mod gate;
pub mod git;
pub mod hook;
pub mod journal;
pub mod model;
