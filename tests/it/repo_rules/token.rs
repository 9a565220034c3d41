//! Rust source as words and marks, without comments and without what strings say.

/// A piece of source with the line that it stands on, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) line: usize,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An identifier or a keyword; a raw identifier without its `r#`.
    Word(String),
    /// `::`
    PathSep,
    /// Any other mark.
    Mark(char),
    /// A plain string, as it is written between its quotes.
    Text(String),
    /// Another literal or a lifetime: nothing that names a module or a file.
    Literal,
}

impl Token {
    pub(super) fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        self.word() == Some(word)
    }

    pub(super) fn is_mark(&self, mark: char) -> bool {
        self.kind == Kind::Mark(mark)
    }
}

/// Splits source into tokens. What is no Rust gives some tokens all the same: the compiler judges that.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut scanner = Scanner {
        chars: text.chars().collect(),
        at: 0,
        line: 1,
        found: Vec::new(),
    };
    while scanner.at < scanner.chars.len() {
        scanner.next();
    }
    scanner.found
}

struct Scanner {
    chars: Vec<char>,
    at: usize,
    line: usize,
    found: Vec<Token>,
}

impl Scanner {
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    /// Goes one character on.
    fn step(&mut self) {
        if self.peek(0) == '\n' {
            self.line += 1;
        }
        self.at += 1;
    }

    fn done(&self) -> bool {
        self.at >= self.chars.len()
    }

    fn push(&mut self, line: usize, kind: Kind) {
        self.found.push(Token { line, kind });
    }

    fn next(&mut self) {
        let line = self.line;
        match self.peek(0) {
            c if c.is_whitespace() => self.step(),
            '/' if self.peek(1) == '/' => {
                while !self.done() && self.peek(0) != '\n' {
                    self.step();
                }
            }
            '/' if self.peek(1) == '*' => self.block_comment(),
            '"' => {
                let start = self.at + 1;
                self.string();
                let end = self.at.saturating_sub(1).min(self.chars.len()).max(start);
                let text = self.chars.get(start..end).unwrap_or_default();
                let text = text.iter().collect();
                self.push(line, Kind::Text(text));
            }
            '\'' => {
                self.quote();
                self.push(line, Kind::Literal);
            }
            c if c.is_alphabetic() || c == '_' => self.word_or_string(),
            c if c.is_ascii_digit() => {
                while self.peek(0).is_alphanumeric() || self.peek(0) == '_' {
                    self.step();
                }
                self.push(line, Kind::Literal);
            }
            ':' if self.peek(1) == ':' => {
                self.at += 2;
                self.push(line, Kind::PathSep);
            }
            mark => {
                self.step();
                self.push(line, Kind::Mark(mark));
            }
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        while !self.done() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => {
                    depth += 1;
                    self.step();
                }
                ('*', '/') => {
                    depth -= 1;
                    self.step();
                }
                _ => {}
            }
            self.step();
            if depth == 0 {
                return;
            }
        }
    }

    /// From an opening `"` past the closing one.
    fn string(&mut self) {
        self.step();
        while !self.done() && self.peek(0) != '"' {
            if self.peek(0) == '\\' {
                self.step();
            }
            self.step();
        }
        self.step();
    }

    /// A character or a lifetime.
    fn quote(&mut self) {
        self.step();
        if self.peek(0) == '\\' {
            self.step();
            self.step();
            while !self.done() && self.peek(0) != '\'' {
                self.step();
            }
            self.step();
        } else if self.peek(1) == '\'' {
            self.step();
            self.step();
        } else {
            while self.peek(0).is_alphanumeric() || self.peek(0) == '_' {
                self.step();
            }
        }
    }

    fn word_or_string(&mut self) {
        let line = self.line;
        let start = self.at;
        while self.peek(0).is_alphanumeric() || self.peek(0) == '_' {
            self.step();
        }
        let word: String = self.chars[start..self.at].iter().collect();
        let prefix = matches!(word.as_str(), "r" | "b" | "br" | "c" | "cr");
        let raw = prefix && word.contains('r');
        match self.peek(0) {
            '"' if raw => self.raw_string(),
            '"' if prefix => self.string(),
            '\'' if word == "b" => self.quote(),
            '#' if raw && matches!(self.peek(1), '"' | '#') => self.raw_string(),
            // A raw identifier: the word itself follows.
            '#' if word == "r" => return self.step(),
            _ => return self.push(line, Kind::Word(word)),
        }
        self.push(line, Kind::Literal);
    }

    /// From the first `#` or `"` of a raw string past its end.
    fn raw_string(&mut self) {
        let mut marks = 0;
        while self.peek(0) == '#' {
            marks += 1;
            self.step();
        }
        self.step();
        while !self.done() {
            let closes = self.peek(0) == '"' && (1..=marks).all(|ahead| self.peek(ahead) == '#');
            self.step();
            if closes {
                self.at += marks;
                return;
            }
        }
    }
}

#[test]
fn comments_and_strings_hide_what_they_hold() {
    let text = "a // x\n/* b /* c */ d */ e \"f \\\" g\" r#\"h \" i\"# b'j' '\\'' 'k' &'l m r#do::n 1_u8 c\"o\"";
    let words: Vec<_> = tokens(text)
        .iter()
        .filter_map(|token| token.word().map(|word| (token.line, word.to_owned())))
        .collect();
    let expected = [(1, "a"), (2, "e"), (2, "m"), (2, "do"), (2, "n")];
    assert_eq!(words, expected.map(|(line, word)| (line, word.to_owned())));
}
