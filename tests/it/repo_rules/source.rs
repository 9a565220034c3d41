//! A source file: the modules that it declares and the paths that it names.
//!
//! Items under `#[cfg(test)]` are left out of the paths: the rules about who may use whom are for what is shipped.

use super::token::{Kind, Token, tokens};

/// A source file of the repository.
pub(super) struct File {
    /// Relative to the top of the repository, with `/`.
    pub(super) path: String,
    pub(super) text: String,
    pub(super) tokens: Vec<Token>,
    pub(super) mods: Vec<ModDecl>,
    pub(super) names: Vec<Named>,
}

/// `mod name;`
#[derive(Debug)]
pub(super) struct ModDecl {
    /// The inline modules around it, and its name.
    pub(super) path: Vec<String>,
    /// Whether it exists in tests alone.
    pub(super) test: bool,
    /// The file that `#[path = "…"]` names, relative to the folder of the declaring file.
    pub(super) file: Option<String>,
}

/// A path that is named, in a `use` or elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) line: usize,
    /// As written; a group is one path per member, `*` is a member.
    pub(super) path: Vec<String>,
    /// The inline modules around it.
    pub(super) inside: Vec<String>,
    pub(super) how: How,
}

/// Where a path stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// In a `use`, under this name.
    Import { name: String },
    /// In a `use` that passes the name on.
    Reexport { name: String },
    /// The name of a macro that is called.
    Macro,
    /// Anywhere else.
    Plain,
}

impl File {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let tokens = tokens(text);
        let mut reader = Reader {
            tokens: &tokens,
            at: 0,
            file: None,
            blocks: Vec::new(),
            mods: Vec::new(),
            names: Vec::new(),
        };
        reader.read();
        let (mods, names) = (reader.mods, reader.names);
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            tokens,
            mods,
            names,
        }
    }

    /// The module that the file is, for a file below `src/`: empty for `lib.rs`, `main` for `main.rs`.
    pub(super) fn module(&self) -> Option<Vec<String>> {
        let inner = self.path.strip_prefix("src/")?.strip_suffix(".rs")?;
        let inner = inner.strip_suffix("/mod").unwrap_or(inner);
        let parts = inner.split('/').map(str::to_owned).collect();
        Some(if inner == "lib" { Vec::new() } else { parts })
    }
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    /// What the last `#[path]` said, until a `mod` takes it.
    file: Option<String>,
    /// The open braces; those of an inline module with its name.
    blocks: Vec<Option<String>>,
    mods: Vec<ModDecl>,
    names: Vec<Named>,
}

impl Reader<'_> {
    fn token(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead)
    }

    fn is_mark(&self, ahead: usize, mark: char) -> bool {
        self.token(ahead).is_some_and(|token| token.is_mark(mark))
    }

    fn is_word(&self, ahead: usize, word: &str) -> bool {
        self.token(ahead).is_some_and(|token| token.is_word(word))
    }

    fn inside(&self) -> Vec<String> {
        self.blocks.iter().flatten().cloned().collect()
    }

    fn read(&mut self) {
        while let Some(token) = self.token(0) {
            match &token.kind {
                Kind::Mark('#') if self.is_mark(1, '[') => self.attribute(),
                Kind::Mark('{') => self.open(None),
                Kind::Mark('}') => {
                    self.blocks.pop();
                    self.at += 1;
                }
                Kind::Word(word) => match word.as_str() {
                    "mod" => self.module(false),
                    "use" => self.import(),
                    // A visibility names a path that it does not use.
                    "pub" if self.is_mark(1, '(') && self.is_word(2, "in") => {
                        while self.token(0).is_some() && !self.is_mark(0, ')') {
                            self.at += 1;
                        }
                    }
                    _ => self.plain_path(),
                },
                _ => self.at += 1,
            }
        }
    }

    fn open(&mut self, name: Option<String>) {
        self.blocks.push(name);
        self.at += 1;
    }

    /// `#[…]`; if it is `#[cfg(test)]`, the item behind it is passed over.
    fn attribute(&mut self) {
        let start = self.at;
        self.at += 1;
        self.skip_group();
        self.note_path(start);
        let words: Vec<_> = self.tokens[start..self.at]
            .iter()
            .filter_map(Token::word)
            .collect();
        if words.first() == Some(&"cfg") && words.contains(&"test") && !words.contains(&"not") {
            self.skip_item();
        }
    }

    /// Notes the file of the attribute that starts there, if it is `#[path = "…"]`.
    fn note_path(&mut self, start: usize) {
        if let [_, _, name, _, text, _] = &self.tokens[start..self.at]
            && name.is_word("path")
            && let Kind::Text(file) = &text.kind
        {
            self.file = Some(file.clone());
        }
    }

    /// From an opening bracket past its closing one.
    fn skip_group(&mut self) {
        let mut depth = 0_usize;
        while let Some(token) = self.token(0) {
            match token.kind {
                Kind::Mark('(' | '[' | '{') => depth += 1,
                Kind::Mark(')' | ']' | '}') => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return;
            }
        }
    }

    fn skip_item(&mut self) {
        while self.is_mark(0, '#') {
            let start = self.at;
            self.at += 1;
            self.skip_group();
            self.note_path(start);
        }
        if self.is_word(0, "pub") {
            self.at += 1;
            if self.is_mark(0, '(') {
                self.skip_group();
            }
        }
        if self.is_word(0, "mod") && self.is_mark(2, ';') {
            return self.module(true);
        }
        let is_use = self.is_word(0, "use");
        let is_field = self.is_mark(1, ':');
        while let Some(token) = self.token(0) {
            match token.kind {
                Kind::Mark(';') => {
                    self.at += 1;
                    return;
                }
                Kind::Mark(',' | '}') if is_field => return,
                Kind::Mark('{') if !is_use => return self.skip_group(),
                Kind::Mark('(' | '[' | '{') => self.skip_group(),
                _ => self.at += 1,
            }
        }
    }

    fn module(&mut self, test: bool) {
        let name = self.token(1).and_then(Token::word).map(str::to_owned);
        match name {
            Some(name) if self.is_mark(2, ';') => {
                let mut path = self.inside();
                path.push(name);
                let file = self.file.take();
                self.mods.push(ModDecl { path, test, file });
                self.at += 3;
            }
            Some(name) if self.is_mark(2, '{') => {
                self.at += 2;
                self.open(Some(name));
            }
            _ => self.at += 1,
        }
    }

    fn import(&mut self) {
        let passes_on = self.at > 0 && {
            let before = &self.tokens[self.at - 1];
            // `pub use`, `pub(crate) use`
            before.is_word("pub") || before.is_mark(')')
        };
        self.at += 1;
        self.use_tree(&[], passes_on);
    }

    /// Reads one tree of a `use`; what its members share is `stem`.
    fn use_tree(&mut self, stem: &[String], passes_on: bool) {
        let mut path = stem.to_vec();
        while let Some(token) = self.token(0) {
            let line = token.line;
            match &token.kind {
                Kind::PathSep => self.at += 1,
                Kind::Word(word) if word == "as" => {
                    let name = self
                        .token(1)
                        .and_then(Token::word)
                        .unwrap_or("_")
                        .to_owned();
                    self.at += 2;
                    return self.imported(line, path, name, passes_on);
                }
                Kind::Word(word) => {
                    path.push(word.clone());
                    self.at += 1;
                    let goes_on = self.is_word(0, "as")
                        || self
                            .token(0)
                            .is_some_and(|token| token.kind == Kind::PathSep);
                    if !goes_on {
                        break;
                    }
                }
                Kind::Mark('*') => {
                    path.push("*".to_owned());
                    self.at += 1;
                    break;
                }
                Kind::Mark('{') => {
                    self.at += 1;
                    while self.token(0).is_some() && !self.is_mark(0, '}') {
                        self.use_tree(&path, passes_on);
                        if self.is_mark(0, ',') {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                _ => break,
            }
        }
        // `self` at the end of a member is the stem itself.
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let line = self.tokens[self.at.saturating_sub(1)].line;
        let Some(name) = path.last().cloned() else {
            self.at += 1;
            return;
        };
        self.imported(line, path, name, passes_on);
    }

    fn imported(&mut self, line: usize, path: Vec<String>, name: String, passes_on: bool) {
        let how = if passes_on {
            How::Reexport { name }
        } else {
            How::Import { name }
        };
        let inside = self.inside();
        self.names.push(Named {
            line,
            path,
            inside,
            how,
        });
    }

    /// A path of at least two names outside a `use`.
    fn plain_path(&mut self) {
        let line = self.tokens[self.at].line;
        let mut path = Vec::new();
        while let Some(word) = self.token(0).and_then(Token::word) {
            path.push(word.to_owned());
            self.at += 1;
            let goes_on = self
                .token(0)
                .is_some_and(|token| token.kind == Kind::PathSep)
                && self.token(1).is_some_and(|token| token.word().is_some());
            if !goes_on {
                break;
            }
            self.at += 1;
        }
        let how = if self.is_mark(0, '!') {
            How::Macro
        } else {
            How::Plain
        };
        if path.len() > 1 || how == How::Macro {
            let inside = self.inside();
            self.names.push(Named {
                line,
                path,
                inside,
                how,
            });
        }
    }
}

#[test]
fn paths_are_found_in_groups_and_in_expressions_but_not_in_tests() {
    let file = File::new(
        "src/a/mod.rs",
        "pub(crate) use b::{self, C as D};\nuse crate::{x, y::{z, w::*}};\nmod b;\nmod inner { fn f() { \
         super::b::g::<u8>(); } }\n#[cfg(test)]\nmod tests { use crate::hidden; }\n#[cfg(test)]\nmod t;\npub(in crate::q) \
         fn h() -> Vec<crate::v::W> { crate::m!(1) }",
    );
    let found: Vec<_> = file
        .names
        .iter()
        .map(|named| (named.path.join("::"), named.inside.join("::")))
        .collect();
    let expected = [
        ("b", ""),
        ("b::C", ""),
        ("crate::x", ""),
        ("crate::y::z", ""),
        ("crate::y::w::*", ""),
        ("super::b::g", "inner"),
        ("crate::v::W", ""),
        ("crate::m", ""),
    ];
    assert_eq!(
        found,
        expected.map(|(path, inside)| (path.to_owned(), inside.to_owned()))
    );
    assert_eq!(
        file.names[1].how,
        How::Reexport {
            name: "D".to_owned()
        }
    );
    assert_eq!(file.names[7].how, How::Macro);
    let mods: Vec<_> = file
        .mods
        .iter()
        .map(|decl| (decl.path.join("::"), decl.test))
        .collect();
    assert_eq!(mods, [("b".to_owned(), false), ("t".to_owned(), true)]);
}
