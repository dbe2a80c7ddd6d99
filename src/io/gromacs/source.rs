//! The texts that make up a topology, and faults that point into them.

use super::TopologyError;
use crate::io::input::{Fault, Line, Location};
use std::rc::Rc;

/// A line of one of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Index into [`Sources`].
    pub source: u32,
    /// From 1; zero means the file as a whole.
    pub line: u32,
}

#[derive(Debug)]
struct Source {
    name: String,
    text: Rc<str>,
}

/// Every file that was read, in the order of reading.
#[derive(Debug, Default)]
pub(super) struct Sources(Vec<Source>);

impl Sources {
    pub fn add(&mut self, name: String, text: Rc<str>) -> u32 {
        self.0.push(Source { name, text });
        self.0.len() as u32 - 1
    }

    /// "ions.itp:12": how one message refers to a second place.
    pub fn describe(&self, place: Place) -> String {
        format!("{}:{}", self.0[place.source as usize].name, place.line)
    }

    /// A fault at `place`, with a caret under `word` (where the line holds it as a word, else under all of the line).
    pub fn fault(
        &self,
        place: Place,
        word: &str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> TopologyError {
        self.fault_at(place, (word, 0), message, help)
    }

    /// [`Sources::fault`] at the word with index `nth` of the line, if that is `word`.
    pub fn fault_at(
        &self,
        place: Place,
        (word, nth): (&str, usize),
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> TopologyError {
        let source = &self.0[place.source as usize];
        let help = Some(help.into()).filter(|h: &String| !h.is_empty());
        let line = (place.line > 0).then(|| underlined(&source.text, place.line, word, nth));
        let location = Location { origin: source.name.clone(), line };
        TopologyError(Box::new(Fault { message: message.into(), help, location }))
    }
}

/// The line `number` of `text`, or the continuation of it that holds `word`.
fn underlined(text: &str, number: u32, word: &str, nth: usize) -> Line {
    let mut first = None;
    for (text, number) in text.lines().zip(1..).skip(number as usize - 1) {
        let text = text.trim_end();
        let code = text.split(';').next().unwrap_or("");
        let words: Vec<(usize, &str)> = words(code).collect();
        let found = words.get(nth).filter(|w| w.1 == word).or_else(|| words.iter().find(|w| w.1 == word));
        if let (Some(&(start, word)), false) = (found, word.is_empty()) {
            return line(text, number, start, word);
        }
        first.get_or_insert_with(|| {
            let trimmed = code.trim();
            line(text, number, code.len() - code.trim_start().len(), if trimmed.is_empty() { text } else { trimmed })
        });
        if !text.ends_with('\\') {
            break;
        }
    }
    first.unwrap_or(Line { number: Some(number as usize), column: 1, text: String::new(), width: 1 })
}

fn line(text: &str, number: usize, start: usize, underlined: &str) -> Line {
    Line {
        number: Some(number),
        column: text[..start].chars().count() + 1,
        text: text.to_string(),
        width: underlined.chars().count().max(1),
    }
}

/// Words of a line and where they start (bytes). Brackets and quotes are no part of a word.
fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let separates = |c: char| c.is_whitespace() || matches!(c, '[' | ']' | '"' | '<' | '>');
    code.split(separates).filter(|w| !w.is_empty()).map(move |w| (w.as_ptr() as usize - code.as_ptr() as usize, w))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caret(text: &str, number: u32, word: &str, nth: usize) -> (usize, usize, usize) {
        let line = underlined(text, number, word, nth);
        (line.number.unwrap_or(0), line.column, line.width)
    }

    #[test]
    fn the_caret_finds_its_word() {
        let text = "[ bonds ]\n 1 1 abc ; 1 x\n1 2 \\\n  oops\n; only a comment";
        assert_eq!(caret(text, 1, "bonds", 0), (1, 3, 5));
        assert_eq!(caret(text, 2, "1", 1), (2, 4, 1));
        assert_eq!(caret(text, 2, "abc", 0), (2, 6, 3));
        assert_eq!(caret(text, 2, "x", 0), (2, 2, 7), "words of a comment do not count");
        assert_eq!(caret(text, 3, "oops", 2), (4, 3, 4), "a continued line");
        assert_eq!(caret(text, 99, "x", 0), (99, 1, 1));
    }
}
