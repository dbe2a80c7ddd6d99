//! What analyses hand out: tables, figures and named values. Plain data; `report` writes it.

use super::blocks::{BlockCount, Estimate};
use super::grid::RadialGrid;

/// Result of one observable.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AnalysisResult {
    /// Unique short name; file names are made from the names of tables and figures.
    pub name: String,
    /// For people, e.g. `Radial distribution Zn2+ – OW`.
    pub title: String,
    pub n_frames: u64,
    pub tables: Vec<Table>,
    /// Which of the tables the report shows in full.
    pub shown: Vec<usize>,
    pub figures: Vec<Figure>,
    pub values: Vec<Quantity>,
    /// How it was computed and what to be careful about.
    pub notes: Vec<String>,
}

/// A named value, e.g. `first_peak(Zn2+,OW)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantity {
    /// `kind(selection,…)`: what verdicts refer to.
    pub id: String,
    /// For people, e.g. `Zn2+ – OW first peak`.
    pub label: String,
    pub value: f64,
    /// Standard error; `None` if the run is too short to tell.
    pub error: Option<f64>,
    /// What the error comes from, where that can tell how much it is worth.
    pub blocks: Option<BlockCount>,
    /// `1` for a pure number
    pub unit: String,
}

impl Quantity {
    pub fn new(id: String, label: String, estimate: Estimate, unit: &str) -> Self {
        let Estimate { value, error, blocks } = estimate;
        Quantity { id, label, value, error, blocks, unit: unit.to_string() }
    }
}

/// A column of a table; all columns of a table have the same length.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub name: String,
    /// `1` for a pure number
    pub unit: String,
    pub values: Vec<f64>,
}

impl Column {
    pub fn new(name: impl Into<String>, unit: &str, values: Vec<f64>) -> Self {
        Column { name: name.into(), unit: unit.to_string(), values }
    }
}

/// A table; written as `analysis/<name>.csv`.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    pub name: String,
    pub columns: Vec<Column>,
}

/// An axis of a figure.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Axis {
    pub label: String,
    /// Empty or `1` for a pure number: nothing is printed then.
    pub unit: String,
    /// Fixed limits; `None` = from the data.
    pub range: Option<(f64, f64)>,
    /// Of 0, 1, 2, …, written in their places instead of numbers.
    pub names: Vec<String>,
}

impl Axis {
    pub fn new(label: &str, unit: &str) -> Self {
        Axis { label: label.to_string(), unit: unit.to_string(), ..Axis::default() }
    }

    pub fn with_range(self, low: f64, high: f64) -> Self {
        Axis { range: Some((low, high)), ..self }
    }

    pub fn with_names(self, names: &[&str]) -> Self {
        Axis { names: names.iter().map(|n| n.to_string()).collect(), ..self }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeriesKind {
    Line,
    /// A line that is secondary to another, e.g. a magnified copy.
    DashedLine,
    /// A thin pale line: raw data under its average.
    Faint,
    /// Filled down to zero.
    Area,
    Bars,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub label: String,
    pub kind: SeriesKind,
    /// Belongs to the right-hand axis.
    pub on_right: bool,
    /// Which colour of the palette; series of one figure that belong together share it.
    pub color: usize,
    /// `[n][x, y]`, in the units of the axes
    pub points: Vec<[f64; 2]>,
}

impl Series {
    /// A series of the left-hand axis.
    pub fn new(kind: SeriesKind, label: impl Into<String>, color: usize, points: Vec<[f64; 2]>) -> Self {
        Series { label: label.into(), kind, on_right: false, color, points }
    }
}

/// A vertical line with a label, e.g. at the ideal angle.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    pub x: f64,
    pub label: String,
}

/// A figure; written as `figures/<name>.svg`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Figure {
    pub name: String,
    pub title: String,
    pub x: Axis,
    pub y: Axis,
    pub right: Option<Axis>,
    pub series: Vec<Series>,
    pub marks: Vec<Mark>,
    /// The series are a sequence in a parameter, in the order of their colours: they are drawn along a ramp of colours, however many there are.
    pub ramp: bool,
    /// Drawn under the series.
    pub map: Option<Map>,
    /// What the reader must know to read it; printed below it.
    pub note: String,
}

/// A quantity on equal rectangles that fill the ranges of both axes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Map {
    /// Along x
    pub n_x: usize,
    /// `[n_y][n_x]`, from zero; shown up to `high`
    pub values: Vec<f64>,
    pub high: f64,
    /// What the colours stand for, and its unit.
    pub scale: Axis,
}

/// A file stem from words that may hold any character: letters, digits, `+`, `-` and `_` stay.
pub fn file_stem(words: &[&str]) -> String {
    let clean = |c: char| if c.is_ascii_alphanumeric() || "+-_".contains(c) { c } else { '_' };
    words.iter().map(|w| w.trim().chars().map(clean).collect::<String>()).collect::<Vec<_>>().join("_")
}

/// Appends `_2`, `_3`, … to names that would overwrite each other's files.
pub fn make_names_unique(results: &mut [AnalysisResult]) {
    let mut taken = std::collections::HashSet::new();
    let mut unique = |prefix: &str, name: &mut String| {
        let stem = name.clone();
        let mut n = 1;
        // Case-insensitive, for file systems that are.
        while !taken.insert((prefix.to_string(), name.to_lowercase())) {
            n += 1;
            *name = format!("{stem}_{n}");
        }
    };
    for result in results {
        unique("result", &mut result.name);
        result.tables.iter_mut().for_each(|t| unique("table", &mut t.name));
        result.figures.iter_mut().for_each(|f| unique("figure", &mut f.name));
    }
}

/// Points (bin centre, value) of a curve on a grid.
pub fn curve(grid: &RadialGrid, values: &[f64]) -> Vec<[f64; 2]> {
    values.iter().enumerate().map(|(k, &v)| [grid.center(k), v]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_tame_and_unique() {
        assert_eq!(file_stem(&["rdf", "OW of SPC/E", "../Cl-"]), "rdf_OW_of_SPC_E____Cl-");
        let one = |name: &str| AnalysisResult { name: name.to_string(), ..Default::default() };
        let mut results = [one("rdf_a"), one("rdf_a"), one("rdf_A")];
        make_names_unique(&mut results);
        let names: Vec<&str> = results.iter().map(|r| r.name.as_str()).collect();
        assert_eq!(names, ["rdf_a", "rdf_a_2", "rdf_A_3"]);
    }
}
