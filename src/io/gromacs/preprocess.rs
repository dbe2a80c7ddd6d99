//! `#include`, `#define`, `#ifdef`, comments and continued lines: files in, logical lines out.
//!
//! The rules are those of `grompp`, which differ from C: a macro is replaced where it stands as a word, a `#define` ends
//! with its line, and a name that is defined as nothing is not replaced. Two are our own: macros inside macros are always
//! replaced, whatever the order of their definitions, and a condition must end in the file it begins in.

use super::TopologyError;
use super::source::{Place, Sources};
use crate::suggest::nearest;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A line may not grow beyond this by macros that multiply each other, bytes.
const LONGEST_LINE: usize = 1 << 20;
/// Nested includes; force fields use about four.
const DEEPEST_INCLUDE: usize = 64;

/// A line without comments, macros replaced, continuations joined; never blank.
#[derive(Debug)]
pub(super) struct Line {
    /// Where it begins.
    pub place: Place,
    pub text: String,
}

/// A file that is being read.
struct OpenFile {
    path: PathBuf,
    source: u32,
    text: Rc<str>,
    /// Bytes of `text` that were read.
    offset: usize,
    /// Lines that were read.
    line: u32,
    /// Conditions that were open where the file began.
    outer_conditions: usize,
}

/// An `#ifdef` or `#ifndef` whose `#endif` is still to come.
struct Condition {
    place: Place,
    /// `#ifdef NAME`
    text: String,
    /// Is the text around the condition read?
    outer: bool,
    holds: bool,
    saw_else: bool,
}

pub(super) struct Preprocessor {
    pub sources: Sources,
    include: Vec<PathBuf>,
    macros: HashMap<String, String>,
    files: Vec<OpenFile>,
    conditions: Vec<Condition>,
    /// Names that the caller defined and that nothing has asked for.
    unused: BTreeSet<String>,
    /// Names that a condition asked for.
    asked: BTreeSet<String>,
}

impl Preprocessor {
    /// * `include` – folders that are searched after the one of the including file
    /// * `define` – `NAME` or `NAME=value`
    pub fn open(path: &Path, include: &[PathBuf], define: &[String]) -> Result<Self, TopologyError> {
        let mut folders = include.to_vec();
        folders.extend(path.parent().map(Path::to_path_buf));
        let macros = define.iter().map(|item| {
            let (name, value) = item.split_once('=').unwrap_or((item, ""));
            (name.trim().to_string(), value.trim().to_string())
        });
        let macros: HashMap<String, String> = macros.collect();
        let mut preprocessor = Preprocessor {
            unused: macros.keys().cloned().collect(),
            asked: BTreeSet::new(),
            sources: Sources::default(),
            include: folders,
            macros,
            files: Vec::new(),
            conditions: Vec::new(),
        };
        let name = path.display().to_string();
        let text = read(path).map_err(|why| {
            let source = preprocessor.sources.add(name.clone(), "".into());
            let help = "give the path of a GROMACS topology (.top)";
            preprocessor.sources.fault(Place { source, line: 0 }, "", why, help)
        })?;
        preprocessor.push(path.to_path_buf(), name, text);
        Ok(preprocessor)
    }

    /// A text that includes the file at `path` by its name; `include` and `define` as in [`Preprocessor::open`].
    pub fn around(path: &Path, text: &str, include: &[PathBuf], define: &[String]) -> Result<Self, TopologyError> {
        let mut preprocessor = Preprocessor::open(path, include, define)?;
        preprocessor.files.clear();
        preprocessor.push(path.with_extension("around"), path.display().to_string(), text.into());
        Ok(preprocessor)
    }

    /// Names that the caller defined and that nothing asked for so far, each with a name that was meant, perhaps.
    pub fn unused_defines(&self) -> Vec<(String, Option<String>)> {
        let meant = |name: &String| nearest(name, self.asked.iter().map(String::as_str)).map(String::from);
        self.unused.iter().map(|name| (name.clone(), meant(name))).collect()
    }

    fn push(&mut self, path: PathBuf, name: String, text: Rc<str>) {
        let source = self.sources.add(name, text.clone());
        let outer_conditions = self.conditions.len();
        self.files.push(OpenFile { path, source, text, offset: 0, line: 0, outer_conditions });
    }

    /// The next logical line; `None` at the end of the topology.
    pub fn next_line(&mut self) -> Result<Option<Line>, TopologyError> {
        let Some(mut line) = self.next_fragment()? else { return Ok(None) };
        while line.text.ends_with('\\') {
            line.text.pop();
            match self.next_fragment()? {
                Some(next) => line.text.extend([" ", &next.text]),
                None => {
                    let message = "the topology ends in a line that continues";
                    return Err(self.sources.fault(line.place, "\\", message, "remove the `\\`"));
                }
            }
            if line.text.len() > LONGEST_LINE {
                return Err(self.sources.fault(line.place, "", "the line is longer than 1 MiB", ""));
            }
        }
        Ok(Some(line))
    }

    /// The next physical line that is neither blank nor a preprocessor directive nor switched off.
    fn next_fragment(&mut self) -> Result<Option<Line>, TopologyError> {
        loop {
            let Some(file) = self.files.last_mut() else { return Ok(None) };
            let rest = &file.text[file.offset..];
            if rest.is_empty() {
                if self.conditions.len() > file.outer_conditions {
                    let open = &self.conditions[self.conditions.len() - 1];
                    let message = format!("`{}` has no `#endif` in this file", open.text);
                    return Err(self.sources.fault(open.place, "", message, "add `#endif` where the condition ends"));
                }
                self.files.pop();
                continue;
            }
            let length = rest.find('\n').map_or(rest.len(), |n| n + 1);
            let text = file.text.clone();
            let raw = &text[file.offset..file.offset + length];
            file.offset += length;
            file.line += 1;
            let place = Place { source: file.source, line: file.line };
            let code = raw.split(';').next().unwrap_or("").trim();
            if let Some(directive) = code.strip_prefix('#') {
                self.directive(place, directive)?;
            } else if !code.is_empty() && !code.starts_with('*') && self.is_read() {
                return Ok(Some(Line { place, text: self.expand(place, code)? }));
            }
        }
    }

    /// Is the text at this point read, or switched off by a condition?
    fn is_read(&self) -> bool {
        self.conditions.last().is_none_or(|c| c.outer && c.holds)
    }

    fn directive(&mut self, place: Place, text: &str) -> Result<(), TopologyError> {
        const KNOWN: [&str; 7] = ["include", "define", "undef", "ifdef", "ifndef", "else", "endif"];
        let text = text.trim_start();
        let (word, rest) = text.split_at(text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len()));
        let rest = rest.trim();
        let is_read = self.is_read();
        let fault = |message: String, help: &str| Err(self.sources.fault(place, "", message, help));
        let name = || {
            let name = rest.split_whitespace().next().unwrap_or("");
            match name.is_empty() {
                false => Ok(name),
                true => {
                    Err(self.sources.fault(place, "", format!("`#{word}` has no name"), "give the name of a macro"))
                }
            }
        };
        match word {
            "ifdef" | "ifndef" => {
                let name = name()?.to_string();
                let holds = self.macros.contains_key(&name) == (word == "ifdef");
                if is_read {
                    self.unused.remove(&name);
                }
                let text = format!("#{word} {name}");
                self.asked.insert(name);
                self.conditions.push(Condition { place, text, outer: is_read, holds, saw_else: false });
            }
            "else" | "endif" => {
                let inner = self.files.last().map_or(0, |f| f.outer_conditions);
                if self.conditions.len() <= inner {
                    return fault(format!("`#{word}` without `#ifdef` in this file"), "remove it, or add the `#ifdef`");
                }
                if word == "endif" {
                    self.conditions.pop();
                } else if let Some(condition) = self.conditions.last_mut() {
                    if condition.saw_else {
                        return fault("a second `#else` for the same `#ifdef`".into(), "remove one of them");
                    }
                    condition.saw_else = true;
                    condition.holds = !condition.holds;
                }
            }
            _ if !is_read => {}
            "define" => {
                let name = name()?;
                let value = rest[name.len()..].trim();
                if value.ends_with('\\') {
                    let message = "a `#define` cannot continue on the next line";
                    return fault(message.into(), "write the whole value on this line");
                }
                let (name, value) = (name.to_string(), value.to_string());
                self.macros.insert(name, value);
            }
            "undef" => {
                let name = name()?.to_string();
                self.macros.remove(&name);
            }
            "include" => return self.include(place, rest),
            "error" => {
                let message = if rest.is_empty() { "an `#error` of the force field" } else { rest };
                return fault(message.into(), "the file says that it cannot be used like this");
            }
            other => {
                let help = match nearest(other, KNOWN) {
                    Some(near) => format!("did you mean `#{near}`?"),
                    None => format!("known: #{}", KNOWN.join(", #")),
                };
                return fault(format!("unknown preprocessor directive `#{other}`"), &help);
            }
        }
        Ok(())
    }

    fn include(&mut self, place: Place, rest: &str) -> Result<(), TopologyError> {
        let quoted = |open: char, close: char| rest.strip_prefix(open)?.split_once(close).map(|(name, _)| name.trim());
        let Some(name) = quoted('"', '"').or_else(|| quoted('<', '>')).filter(|n| !n.is_empty()) else {
            let help = "write #include \"file.itp\"";
            return Err(self.sources.fault(place, "", "`#include` without a file name in quotes", help));
        };
        let here = self.files.last().and_then(|f| f.path.parent()).unwrap_or(Path::new("")).to_path_buf();
        let folders = std::iter::once(&here).chain(&self.include);
        let mut candidates = folders.cloned().chain(standard_folders()).map(|folder| folder.join(name));
        let Some(path) = candidates.find(|p| p.is_file()) else {
            let mut searched: Vec<String> = Vec::new();
            for folder in std::iter::once(&here).chain(&self.include) {
                let shown = if folder.as_os_str().is_empty() { ".".to_string() } else { folder.display().to_string() };
                if !searched.contains(&shown) {
                    searched.push(shown);
                }
            }
            let help = format!(
                "searched in {} and where GROMACS keeps its force fields\nadd its folder to [system] include, or set GMXLIB",
                searched.join(", ")
            );
            return Err(self.sources.fault(place, name, format!("there is no file `{name}` to include"), help));
        };
        let identity = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let same = identity(&path);
        if let Some(first) = self.files.iter().position(|f| identity(&f.path) == same) {
            let chain: Vec<String> = (self.files[first..].iter().map(|f| f.path.as_path()).chain([path.as_path()]))
                .map(|p| p.file_name().unwrap_or(p.as_os_str()).to_string_lossy().into_owned())
                .collect();
            let message = format!("circular include: {}", chain.join(" includes "));
            return Err(self.sources.fault(place, name, message, "remove one of these `#include` lines"));
        }
        if self.files.len() >= DEEPEST_INCLUDE {
            let message = format!("files include each other more than {DEEPEST_INCLUDE} levels deep");
            return Err(self.sources.fault(place, name, message, ""));
        }
        let text = read(&path).map_err(|why| self.sources.fault(place, name, format!("`{name}` {why}"), ""))?;
        let shown = path.display().to_string();
        self.push(path, shown, text);
        Ok(())
    }

    /// `code` with macros replaced, and macros in their values, too.
    fn expand(&mut self, place: Place, code: &str) -> Result<String, TopologyError> {
        let mut text = code.to_string();
        // A macro that names itself is left after as many rounds as there are macros.
        for _ in 0..=self.macros.len() {
            let mut replaced = false;
            let mut expanded = String::with_capacity(text.len());
            let mut rest = text.as_str();
            while !rest.is_empty() {
                let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                match self.macros.get(word).filter(|value| !value.is_empty()) {
                    Some(value) => {
                        self.unused.remove(word);
                        replaced |= value != word;
                        expanded.push_str(value);
                    }
                    None => expanded.push_str(word),
                }
                let next = after.find(is_word).unwrap_or(after.len());
                expanded.push_str(&after[..next]);
                rest = &after[next..];
                if expanded.len() > LONGEST_LINE {
                    let help = "a macro is defined by itself, or macros multiply each other: look at their `#define`s";
                    return Err(self.sources.fault(place, "", "macros make this line longer than 1 MiB", help));
                }
            }
            text = expanded;
            if !replaced {
                return Ok(text);
            }
        }
        let message = "a macro of this line is defined by itself";
        Err(self.sources.fault(place, "", message, "look at the `#define`s of its words"))
    }
}

/// Characters of a macro's name, as `grompp` sees it.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '+' | '-')
}

/// The text of a file; force fields hold comments in old encodings, so what is no UTF-8 is replaced.
fn read(path: &Path) -> Result<Rc<str>, String> {
    let describe = |e: std::io::Error| format!("cannot be read: {e}");
    if std::fs::metadata(path).map_err(describe)?.is_dir() {
        return Err("is a folder, not a file".into());
    }
    let bytes = std::fs::read(path).map_err(describe)?;
    // some editors begin a file with a byte order mark
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    Ok(String::from_utf8_lossy(bytes).into())
}

/// Where GROMACS keeps its force fields: GMXLIB, GMXDATA, the usual places of installations.
fn standard_folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::env::var_os("GMXLIB").iter().flat_map(std::env::split_paths).collect();
    folders.extend(std::env::var_os("GMXDATA").map(|data| Path::new(&data).join("top")));
    let usual = ["/usr/share/gromacs/top", "/usr/local/gromacs/share/gromacs/top", "/usr/local/share/gromacs/top"];
    folders.extend(usual.iter().map(PathBuf::from).filter(|p| p.is_dir()));
    folders.retain(|f| !f.as_os_str().is_empty());
    folders
}
