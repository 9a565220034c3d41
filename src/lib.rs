//! dynwf: one large code change as many small supervised ones.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod agent;
pub mod config;
pub mod error;
pub mod fault;
pub mod gate;
pub mod git;
pub mod journal;
pub mod model;
pub mod plan;
pub mod process;
pub mod report;
pub mod review;
