//! The grammar of selections: text to a tree in which every word knows where it stands. Knows no topology.
//!
//! ```text
//! expression = term { "or" term }
//! term       = factor { "and" factor }
//! factor     = "not" factor | "(" expression ")" | "within" length "of" factor | "same molecule as" factor
//!            | "z" ( "<" | ">" ) length | "z" length "to" length
//!            | "index" range | "molecule" range | "all"
//!            | [ "species" | "name" | "residue" | "type" | "element" ] word [ "of" word ]
//! length     = number ( "nm" | "angstrom" | "A" | "pm" )          range = n | n "-" m
//! ```
//!
//! A word is anything without blanks; one with blanks, or one that is a keyword, stands in single quotes. A parenthesis
//! belongs to a word when it closes inside it (`Zn(OTf)2`).

use super::AnalysisError;
use std::ops::Range;

/// A word and its place in the text, bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Word {
    pub text: String,
    pub at: Range<usize>,
}

/// Parsed, not yet resolved. Lengths in nm; numbers of atoms and molecules from 1.
#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    Named {
        keyword: Option<String>,
        name: Word,
        owner: Option<Word>,
    },
    All,
    Index {
        first: usize,
        last: usize,
        at: Range<usize>,
    },
    Molecule {
        first: usize,
        last: usize,
        at: Range<usize>,
    },
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Not(Box<Expression>),
    /// low ≤ z < high
    Slab {
        low: f64,
        high: f64,
    },
    Within {
        radius: f64,
        of: Box<Expression>,
    },
    SameMolecule(Box<Expression>),
}

const NAME_KEYWORDS: [&str; 5] = ["species", "name", "residue", "type", "element"];
/// Words that mean something by themselves; as names they need quotes.
const RESERVED: [&str; 7] = ["and", "or", "not", "of", "within", "(", ")"];

/// Parses `text`.
pub fn parse(text: &str) -> Result<Expression, AnalysisError> {
    let tokens = tokens(text)?;
    let mut parser = Parser { text, tokens, next: 0 };
    let tree = parser.expression()?;
    match parser.peek() {
        None => Ok(tree),
        Some(token) => {
            let (at, what) = (token.at.clone(), token.text.clone());
            let message = format!("`{what}` is not expected here");
            Err(parser.fault(at, message, "join two parts with `and` or `or`; put a name with blanks in single quotes"))
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Token {
    text: String,
    at: Range<usize>,
    quoted: bool,
}

fn tokens(text: &str) -> Result<Vec<Token>, AnalysisError> {
    let mut tokens = Vec::new();
    let word = |at: Range<usize>| Token { text: text[at.clone()].to_string(), at, quoted: false };
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let c = rest.chars().next().unwrap_or(' ');
        if c.is_whitespace() {
            at += c.len_utf8();
        } else if c == '\'' {
            let Some(length) = rest[1..].find('\'') else {
                return Err(AnalysisError::SelectionSyntax {
                    selection: text.to_string(),
                    at: at..text.len(),
                    message: "the quote is not closed".to_string(),
                    help: "end the name with a single quote".to_string(),
                });
            };
            let inner = at + 1..at + 1 + length;
            tokens.push(Token { text: text[inner.clone()].to_string(), at: inner.clone(), quoted: true });
            at = inner.end + 1;
        } else if c == '<' || c == '>' {
            let length = if rest[1..].starts_with('=') { 2 } else { 1 };
            tokens.push(word(at..at + length));
            at += length;
        } else {
            let length = rest.find(|c: char| c.is_whitespace() || c == '<' || c == '>').unwrap_or(rest.len());
            let (mut low, mut high) = (at, at + length);
            while text[low..high].starts_with('(') {
                tokens.push(word(low..low + 1));
                low += 1;
            }
            // Closing parentheses that were not opened inside the word.
            let surplus = |word: &str| word.matches(')').count() > word.matches('(').count();
            let mut closing = 0;
            while text[low..high].ends_with(')') && surplus(&text[low..high]) {
                high -= 1;
                closing += 1;
            }
            if low < high {
                tokens.push(word(low..high));
            }
            tokens.extend((0..closing).map(|k| word(high + k..high + k + 1)));
            at += length;
        }
    }
    Ok(tokens)
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    next: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    fn is_next(&self, word: &str) -> bool {
        self.peek().is_some_and(|t| !t.quoted && t.text == word)
    }

    fn accept(&mut self, word: &str) -> bool {
        let found = self.is_next(word);
        self.next += usize::from(found);
        found
    }

    fn fault(&self, at: Range<usize>, message: impl Into<String>, help: &str) -> AnalysisError {
        let (selection, message) = (self.text.to_string(), message.into());
        AnalysisError::SelectionSyntax { selection, at, message, help: help.to_string() }
    }

    /// The next token, whatever it is; `wanted` says what is missing at the end.
    fn take(&mut self, wanted: &str) -> Result<Token, AnalysisError> {
        let end = self.text.trim_end().len();
        let token = self.peek().cloned();
        self.next += 1;
        token.ok_or_else(|| self.fault(end.saturating_sub(1)..end, format!("{wanted} is missing at the end"), ""))
    }

    fn expect(&mut self, word: &str, example: &str) -> Result<(), AnalysisError> {
        if self.accept(word) {
            return Ok(());
        }
        let token = self.take(&format!("`{word}`"))?;
        Err(self.fault(token.at, format!("`{word}` is expected here, not `{}`", token.text), example))
    }

    fn expression(&mut self) -> Result<Expression, AnalysisError> {
        let mut left = self.term()?;
        while self.accept("or") {
            left = Expression::Or(Box::new(left), Box::new(self.term()?));
        }
        Ok(left)
    }

    fn term(&mut self) -> Result<Expression, AnalysisError> {
        let mut left = self.factor()?;
        while self.accept("and") {
            left = Expression::And(Box::new(left), Box::new(self.factor()?));
        }
        Ok(left)
    }

    fn factor(&mut self) -> Result<Expression, AnalysisError> {
        if self.accept("not") {
            return Ok(Expression::Not(Box::new(self.factor()?)));
        }
        if self.accept("(") {
            let inner = self.expression()?;
            self.expect(")", "every parenthesis that opens must close")?;
            return Ok(inner);
        }
        if self.accept("within") {
            const EXAMPLE: &str = "for example within 0.28 nm of Zn2+";
            let radius = self.length(EXAMPLE)?;
            self.expect("of", EXAMPLE)?;
            return Ok(Expression::Within { radius, of: Box::new(self.factor()?) });
        }
        let second = self.tokens.get(self.next + 1).cloned();
        let second = second.filter(|t| !t.quoted).map(|t| t.text).unwrap_or_default();
        if self.is_next("same") && second == "molecule" {
            self.next += 2;
            self.expect("as", "for example same molecule as (OW and within 0.28 nm of Zn2+)")?;
            return Ok(Expression::SameMolecule(Box::new(self.factor()?)));
        }
        let numeric = second.starts_with(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
        if self.is_next("z") && (numeric || second.starts_with(['<', '>'])) {
            self.next += 1;
            return self.slab();
        }
        for word in ["index", "molecule"] {
            if self.is_next(word) && numeric {
                self.next += 1;
                let (first, last, at) = self.range()?;
                return Ok(match word {
                    "index" => Expression::Index { first, last, at },
                    _ => Expression::Molecule { first, last, at },
                });
            }
        }
        // `all` may also be a name, but nobody calls an atom so.
        if self.accept("all") {
            return Ok(Expression::All);
        }
        self.named()
    }

    fn named(&mut self) -> Result<Expression, AnalysisError> {
        let keyword = self.peek().filter(|t| !t.quoted && NAME_KEYWORDS.contains(&t.text.as_str())).cloned();
        // A keyword that nothing follows is a name.
        let keyword = keyword.filter(|_| {
            let after = self.tokens.get(self.next + 1);
            after.is_some_and(|t| t.quoted || !RESERVED.contains(&t.text.as_str()))
        });
        self.next += usize::from(keyword.is_some());
        if self.peek().is_none() && keyword.is_none() && self.tokens.is_empty() {
            // An empty selection names nothing: the topology says what there is.
            return Ok(Expression::Named { keyword: None, name: Word { text: String::new(), at: 0..0 }, owner: None });
        }
        let name = self.word("a name")?;
        let owner = if self.accept("of") { Some(self.word("the species after `of`")?) } else { None };
        Ok(Expression::Named { keyword: keyword.map(|k| k.text), name, owner })
    }

    fn word(&mut self, wanted: &str) -> Result<Word, AnalysisError> {
        let token = self.take(wanted)?;
        if !token.quoted && RESERVED.contains(&token.text.as_str()) {
            let message = format!("{wanted} is expected here, not `{}`", token.text);
            return Err(self.fault(token.at, message, "a name that is also a keyword stands in single quotes"));
        }
        Ok(Word { text: token.text, at: token.at })
    }

    fn slab(&mut self) -> Result<Expression, AnalysisError> {
        const EXAMPLE: &str = "for example z < 1.2 nm, z > 3 nm or z 0.5 to 1.2 nm";
        if self.accept("<") || self.accept("<=") {
            return Ok(Expression::Slab { low: f64::NEG_INFINITY, high: self.length(EXAMPLE)? });
        }
        if self.accept(">") || self.accept(">=") {
            return Ok(Expression::Slab { low: self.length(EXAMPLE)?, high: f64::INFINITY });
        }
        let start = self.next;
        // `0.5 to 1.2 nm`: the unit of the second length serves both.
        let bare = self.tokens.get(self.next + 1).is_some_and(|t| !t.quoted && t.text == "to");
        let low = if bare { self.number(EXAMPLE)? } else { self.length(EXAMPLE)? };
        self.expect("to", EXAMPLE)?;
        let (high, unit) = self.length_and_unit(EXAMPLE)?;
        let low = if bare { low * unit } else { low };
        if low < high {
            return Ok(Expression::Slab { low, high });
        }
        let at = self.tokens[start].at.start..self.tokens[self.next - 1].at.end;
        Err(self.fault(at, "the region is empty: the second length must be larger than the first", EXAMPLE))
    }

    fn number(&mut self, example: &str) -> Result<f64, AnalysisError> {
        let token = self.take("a length")?;
        let parsed = token.text.parse().ok().filter(|v: &f64| v.is_finite());
        parsed.ok_or_else(|| self.fault(token.at, format!("`{}` is not a number", token.text), example))
    }

    fn length(&mut self, example: &str) -> Result<f64, AnalysisError> {
        self.length_and_unit(example).map(|(value, _)| value)
    }

    /// A length in nm and its unit in nm; `0.3 nm` or `0.3nm`.
    fn length_and_unit(&mut self, example: &str) -> Result<(f64, f64), AnalysisError> {
        let token = self.take("a length")?;
        let digits = token.text.find(|c: char| !(c.is_ascii_digit() || "+-.".contains(c))).unwrap_or(token.text.len());
        let (number, unit) = token.text.split_at(digits);
        let Some(value) = number.parse().ok().filter(|v: &f64| v.is_finite()) else {
            return Err(self.fault(token.at, format!("a length is expected here, not `{}`", token.text), example));
        };
        let (unit, at) = if unit.is_empty() {
            let missing = |e: AnalysisError| match e {
                AnalysisError::SelectionSyntax { selection, .. } => AnalysisError::SelectionSyntax {
                    selection,
                    at: token.at.clone(),
                    message: format!("{number} needs a unit"),
                    help: format!("write {number} nm; lengths may be in nm, angstrom or pm"),
                },
                other => other,
            };
            let next = self.take("the unit").map_err(missing)?;
            (next.text, next.at)
        } else {
            (unit.to_string(), token.at.clone())
        };
        let factor = match unit.as_str() {
            "nm" => 1.0,
            "angstrom" | "A" | "Å" => 0.1,
            "pm" => 1e-3,
            _ => {
                let message = format!("`{unit}` is not a unit of length");
                return Err(self.fault(at, message, "lengths may be in nm, angstrom or pm"));
            }
        };
        Ok((value * factor, factor))
    }

    /// `3` or `3-17`, from 1.
    fn range(&mut self) -> Result<(usize, usize, Range<usize>), AnalysisError> {
        let token = self.take("a number")?;
        let (first, last) = token.text.split_once('-').unwrap_or((&token.text, &token.text));
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) => Ok((first, last, token.at)),
            _ => Err(self.fault(token.at, format!("`{}` is not a range", token.text), "write it as 3 or as 3-17")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        fn show(e: &Expression) -> String {
            match e {
                Expression::Named { keyword, name, owner } => {
                    let owner = owner.as_ref().map(|o| format!("@{}", o.text)).unwrap_or_default();
                    format!("{}{}{owner}", keyword.as_ref().map(|k| format!("{k}:")).unwrap_or_default(), name.text)
                }
                Expression::All => "*".into(),
                Expression::Index { first, last, .. } => format!("i{first}-{last}"),
                Expression::Molecule { first, last, .. } => format!("m{first}-{last}"),
                Expression::And(a, b) => format!("({} & {})", show(a), show(b)),
                Expression::Or(a, b) => format!("({} | {})", show(a), show(b)),
                Expression::Not(a) => format!("!{}", show(a)),
                Expression::Slab { low, high } => format!("[{low} {high})"),
                Expression::Within { radius, of } => format!("{radius}~{}", show(of)),
                Expression::SameMolecule(of) => format!("mol {}", show(of)),
            }
        }
        show(&parse(text).expect(text))
    }

    #[test]
    fn precedence_words_and_lengths() {
        for (text, tree) in [
            ("Zn2+", "Zn2+"),
            ("OW of SPC/E or not Cl-", "(OW@SPC/E | !Cl-)"),
            ("a or b and c", "(a | (b & c))"),
            ("(a or b) and c", "((a | b) & c)"),
            ("((a))", "a"),
            ("Zn(OTf)2 and (not (Zn(OTf)2))", "(Zn(OTf)2 & !Zn(OTf)2)"),
            ("'zinc triflate' or name 'and'", "(zinc triflate | name:and)"),
            ("OW and within 2.8 angstrom of (Zn2+ or Na+)", "(OW & 0.27999999999999997~(Zn2+ | Na+))"),
            ("within 0.3nm of name O of SO4", "0.3~name:O@SO4"),
            ("z<1.5 nm and z >= 3 A", "([-inf 1.5) & [0.30000000000000004 inf))"),
            ("z 0.5 to 1.5 nm", "[0.5 1.5)"),
            ("z -50 pm to 0.1 nm", "[-0.05 0.1)"),
            ("z", "z"),
            ("index 3 or molecule 2-7", "(i3-3 | m2-7)"),
            ("same molecule as (OW and within 0.28 nm of Zn2+)", "mol (OW & 0.28~Zn2+)"),
            ("all and not water", "(* & !water)"),
            ("name", "name"),
        ] {
            assert_eq!(shown(text), tree, "{text}");
        }
    }

    #[test]
    fn faults_point_at_the_word() {
        for (text, word, part) in [
            ("OW Cl-", "Cl-", "not expected"),
            ("(OW or Cl-", "-", "`)` is missing"),
            ("within 0.3 of Zn2+", "of", "not a unit of length"),
            ("within nm of Zn2+", "nm", "a length is expected"),
            ("within 0.3 nm Zn2+", "Zn2+", "`of` is expected"),
            ("OW and", "d", "missing at the end"),
            ("OW and or Cl-", "or", "a name is expected"),
            ("z < 3", "3", "needs a unit"),
            ("z 2 to 1 nm", "2 to 1 nm", "region is empty"),
            ("index 3-x", "3-x", "not a range"),
            ("'OW", "'OW", "not closed"),
        ] {
            let Err(AnalysisError::SelectionSyntax { at, message, .. }) = parse(text) else {
                panic!("{text} was accepted");
            };
            assert_eq!(&text[at], word, "{text}: {message}");
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
