//! The shader preprocessor: choosing lines, repeating lines and including parts. Five directives, each on its own line.
//!
//! ```text
//! //#if NAME        lines up to //#else or //#end stay when NAME is defined   (//#if !NAME: when it is not)
//! //#repeat 8       lines up to //#end eight times, with $k replaced by 0 … 7, and $e and $o by the even and odd 2 k, 2 k + 1
//! //#include file   the text of a shader file, preprocessed alike, the first time it is asked for
//! ```
//!
//! WGSL has neither conditional compilation nor loops that are unrolled for certain; a kernel that keeps its sums in
//! registers needs both.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// Text of every file by name, and the names that are defined.
pub struct Preprocessor<'a, F: Fn(&str) -> Option<&'a str>> {
    pub file: F,
    pub defines: &'a [&'a str],
    /// Files that the text holds already.
    included: RefCell<BTreeSet<String>>,
}

impl<'a, F: Fn(&str) -> Option<&'a str>> Preprocessor<'a, F> {
    /// Fails on a directive that is unknown, unbalanced, or includes what is not there; the text names it.
    pub fn run(&self, text: &str) -> Result<String, String> {
        let lines: Vec<&str> = text.lines().collect();
        let mut at = 0;
        let mut out = String::with_capacity(text.len());
        self.block(&lines, &mut at, &mut out, true)?;
        if at < lines.len() {
            return Err(format!("line {}: '{}' without a beginning", at + 1, lines[at].trim()));
        }
        Ok(out)
    }

    /// Copies lines up to an `else` or `end` of this level, which is left for the caller.
    fn block(&self, lines: &[&str], at: &mut usize, out: &mut String, keep: bool) -> Result<(), String> {
        while let Some(line) = lines.get(*at) {
            let Some(directive) = line.trim_start().strip_prefix("//#") else {
                if keep {
                    out.push_str(line);
                    out.push('\n');
                }
                *at += 1;
                continue;
            };
            let (word, argument) = directive.trim().split_once(' ').unwrap_or((directive.trim(), ""));
            let argument = argument.trim();
            let start = *at;
            match word {
                "else" | "end" => return Ok(()),
                "if" => {
                    *at += 1;
                    let holds = match argument.strip_prefix('!') {
                        Some(name) => !self.defines.contains(&name),
                        None => self.defines.contains(&argument),
                    };
                    self.block(lines, at, out, keep && holds)?;
                    if Self::is(lines, *at, "else") {
                        *at += 1;
                        self.block(lines, at, out, keep && !holds)?;
                    }
                    Self::end(lines, at, start)?;
                }
                "repeat" => {
                    *at += 1;
                    let count: u32 = argument.parse().map_err(|_| format!("'{}': not a number", line.trim()))?;
                    let mut body = String::new();
                    self.block(lines, at, &mut body, keep)?;
                    for k in 0..count {
                        let places = [("$k", k), ("$e", 2 * k), ("$o", 2 * k + 1)];
                        let put = |text: String, (name, n): (&str, u32)| text.replace(name, &n.to_string());
                        out.push_str(&places.into_iter().fold(body.clone(), put));
                    }
                    Self::end(lines, at, start)?;
                }
                "include" => {
                    *at += 1;
                    let text = (self.file)(argument).ok_or_else(|| format!("'{}': no such file", line.trim()))?;
                    if keep && self.included.borrow_mut().insert(argument.to_string()) {
                        out.push_str(&self.run(text)?);
                    }
                }
                _ => return Err(format!("'{}': unknown directive", line.trim())),
            }
        }
        Ok(())
    }

    fn is(lines: &[&str], at: usize, word: &str) -> bool {
        lines.get(at).and_then(|l| l.trim_start().strip_prefix("//#")).is_some_and(|l| l.trim() == word)
    }

    fn end(lines: &[&str], at: &mut usize, start: usize) -> Result<(), String> {
        if !Self::is(lines, *at, "end") {
            return Err(format!("line {}: '{}' without //#end", start + 1, lines[start].trim()));
        }
        *at += 1;
        Ok(())
    }
}

/// Preprocesses one text with files from a map.
pub fn preprocess<V: AsRef<str>>(
    text: &str,
    files: &BTreeMap<&'static str, V>,
    defines: &[&str],
) -> Result<String, String> {
    Preprocessor { file: |name| files.get(name).map(|text| text.as_ref()), defines, included: RefCell::default() }
        .run(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str, defines: &[&str]) -> Result<String, String> {
        let files = BTreeMap::from([("part/x", "x\n//#if A\nxa\n//#end\n")]);
        preprocess(text, &files, defines)
    }

    #[test]
    fn lines_are_chosen_repeated_and_included() {
        let text = "a\n//#if A\nb\n//#if !B\nc\n//#else\nd\n//#end\n//#else\ne\n//#end\n//#repeat 2\nf$k\n//#end\n//#include part/x\n//#include part/x\n";
        assert_eq!(run(text, &[]).unwrap(), "a\ne\nf0\nf1\nx\n");
        assert_eq!(run(text, &["A"]).unwrap(), "a\nb\nc\nf0\nf1\nx\nxa\n");
        assert_eq!(run(text, &["A", "B"]).unwrap(), "a\nb\nd\nf0\nf1\nx\nxa\n");
        assert_eq!(run("//#repeat 2\n//#if A\n$k\n//#end\n//#end\n", &["A"]).unwrap(), "0\n1\n");
        assert_eq!(run("//#repeat 2\n$k $e $o\n//#end\n", &[]).unwrap(), "0 0 1\n1 2 3\n");
    }

    #[test]
    fn broken_directives_are_named() {
        for (text, word) in [
            ("//#if A\n", "without //#end"),
            ("//#end\n", "without a beginning"),
            ("//#repeat x\n//#end\n", "not a number"),
            ("//#include part/y\n", "no such file"),
            ("//#define A\n", "unknown directive"),
        ] {
            assert!(run(text, &[]).unwrap_err().contains(word), "{text}");
        }
    }
}
