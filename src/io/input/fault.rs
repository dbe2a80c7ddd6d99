//! What is wrong with an input, shown as a compiler would: file, line, column, the line, a caret, and what to do.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

/// Everything wrong with an input; never empty.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub struct InputError {
    pub faults: Vec<Fault>,
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, fault) in self.faults.iter().enumerate() {
            if n > 0 {
                f.write_str("\n\n")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    pub location: Location,
}

/// Where it is wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Location {
    /// File name, or `--set key=value`.
    pub origin: String,
    /// Line and column from 1, and the line; `None` where the whole file is meant.
    pub line: Option<Line>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// `None` inside a command-line flag.
    pub number: Option<usize>,
    /// In characters, from 1.
    pub column: usize,
    pub text: String,
    /// Number of carets.
    pub width: usize,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.location.origin)?;
        if let Some(Line { number: Some(number), column, .. }) = self.location.line {
            write!(f, ":{number}:{column}")?;
        }
        write!(f, ": {}", self.message)?;
        let mut margin = String::new();
        if let Some(line) = &self.location.line {
            let number = line.number.map(|n| n.to_string()).unwrap_or_default();
            margin = " ".repeat(number.len());
            // A tab stays a tab under the line, so that the caret stands where the reader sees it.
            let indent: String =
                line.text.chars().take(line.column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
            let text = line.text.trim_end();
            write!(f, "\n {margin} |\n {number} | {text}\n {margin} | {indent}{}", "^".repeat(line.width))?;
        }
        if let Some(help) = &self.help {
            for (n, part) in help.lines().enumerate() {
                write!(f, "\n {margin} {} {part}", if n == 0 { "=" } else { " " })?;
            }
        }
        Ok(())
    }
}

/// A text that was parsed: the input file, or one `--set` flag.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Source {
    pub name: String,
    pub text: String,
    pub is_flag: bool,
}

/// A span of a [`Source`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Place {
    /// Index of the source.
    pub source: usize,
    /// Bytes.
    pub span: Range<usize>,
}

impl Place {
    /// The place as people see it.
    pub fn locate(&self, sources: &[Source]) -> Location {
        let source = &sources[self.source];
        if self.span.is_empty() && self.span.start == 0 && !source.is_flag {
            return Location { origin: source.name.clone(), line: None };
        }
        let boundary = |at: usize| (0..=at.min(source.text.len())).rev().find(|&n| source.text.is_char_boundary(n));
        let (start, end) = (boundary(self.span.start).unwrap_or(0), boundary(self.span.end).unwrap_or(0));
        let line_start = source.text[..start].rfind('\n').map_or(0, |n| n + 1);
        let line_end = source.text[start..].find('\n').map_or(source.text.len(), |n| start + n);
        let width = source.text[start..end.clamp(start, line_end)].trim_end().chars().count().max(1);
        let line = Line {
            number: (!source.is_flag).then(|| source.text[..start].matches('\n').count() + 1),
            column: source.text[line_start..start].chars().count() + 1,
            text: source.text[line_start..line_end].trim_end_matches('\r').to_string(),
            width,
        };
        Location { origin: source.name.clone(), line: Some(line) }
    }
}

/// Collects faults, so that one pass reports all of them.
pub(super) struct Faults<'a> {
    sources: &'a [Source],
    found: RefCell<Vec<Fault>>,
}

impl<'a> Faults<'a> {
    pub fn new(sources: &'a [Source]) -> Self {
        Faults { sources, found: RefCell::default() }
    }

    pub fn add(&self, place: &Place, message: impl Into<String>, help: impl Into<String>) {
        let help = Some(help.into()).filter(|h: &String| !h.is_empty());
        let fault = Fault { message: message.into(), help, location: place.locate(self.sources) };
        let mut found = self.found.borrow_mut();
        if !found.contains(&fault) {
            found.push(fault);
        }
    }

    /// `Ok` if nothing was added, else every fault in the order of the lines.
    pub fn finish<T>(self, value: T) -> Result<T, InputError> {
        let mut faults = self.found.into_inner();
        if faults.is_empty() {
            return Ok(value);
        }
        faults.sort_by_key(|f| f.location.line.as_ref().map(|l| (l.number.unwrap_or(usize::MAX), l.column)));
        Err(InputError { faults })
    }
}
