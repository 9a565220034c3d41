//! Scripts that come with dynwf, run by their names; a file of the same name in the repository goes before them.
//!
//! Invariant: each declares its arguments, and each is tried with fake answers.

/// A script that comes with dynwf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// Its name.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// All of them, by name.
pub const ALL: [Recipe; 6] = [
    Recipe {
        name: "chain",
        text: include_str!("recipes/chain.js"),
    },
    Recipe {
        name: "council",
        text: include_str!("recipes/council.js"),
    },
    Recipe {
        name: "fix",
        text: include_str!("recipes/fix.js"),
    },
    Recipe {
        name: "migrate",
        text: include_str!("recipes/migrate.js"),
    },
    Recipe {
        name: "panel",
        text: include_str!("recipes/panel.js"),
    },
    Recipe {
        name: "review",
        text: include_str!("recipes/review.js"),
    },
];

/// The text of the one with this name.
pub fn find(name: &str) -> Option<&'static str> {
    ALL.iter()
        .find(|recipe| recipe.name == name)
        .map(|recipe| recipe.text)
}
