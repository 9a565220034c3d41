//! `dynwf split --by` and `--from-branch`, from outside.

mod branch;
mod files;
mod history;
