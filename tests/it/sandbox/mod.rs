//! Units in their sandbox, and what happens to those without one.

/// Returns from a test with the reason printed where there is no sandbox to try.
macro_rules! need_bubblewrap {
    () => {
        if dynwf::process::sandbox::available() == dynwf::process::sandbox::Kind::None {
            crate::support::skip!("bubblewrap does not work on this machine");
        }
    };
}

mod attacks;
mod git;
mod processes;
mod view;
