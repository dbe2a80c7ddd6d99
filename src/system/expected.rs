//! What a validation case expects: reference values with their uncertainty and where they come from.
//!
//! The typed form of `validation/*/expected.toml`: `io::expected` reads it, `report::verdict` sets it beside what was measured.

/// A validation case.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Name of the folder under `validation/`.
    pub name: String,
    pub title: String,
    pub systems: Vec<CaseSystem>,
}

/// One system of a case: what to run and what to expect of it.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseSystem {
    /// Name within the case, e.g. `spce/li-merz-iod`.
    pub name: String,
    /// Input file, relative to the repository.
    pub input: String,
    /// Water model that replaces the input's, for a series over models.
    pub water: Option<String>,
    /// Model of the solute `Zn2+` that replaces the input's.
    pub zinc: Option<String>,
    /// Keys of the input that this system sets, with their values as in an input.
    pub set: Vec<(String, String)>,
    /// Belongs to the long set: for a GPU or a night.
    pub long: bool,
    pub references: Vec<Reference>,
}

/// How a reference value came into the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Read in the cited source.
    Verified,
    /// Calculated: analytically, or by an independent program.
    Computed,
    /// What this case demands of itself, from an argument and not from a number in a source.
    Criterion,
    /// Quoted from memory; never decides.
    Recalled,
}

impl Status {
    /// As in `expected.toml`.
    pub fn word(self) -> &'static str {
        match self {
            Status::Verified => "verified",
            Status::Computed => "computed",
            Status::Criterion => "criterion",
            Status::Recalled => "recalled",
        }
    }
}

/// One reference value.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// Id of the measured quantity, e.g. `first_peak(Zn2+,OW)`.
    pub quantity: String,
    /// For people, e.g. `Zn–O first peak`.
    pub label: String,
    pub value: f64,
    /// Standard uncertainty.
    pub uncertainty: Option<f64>,
    /// As the quantity is measured: `nm`, `deg`, `K`, `1` for a pure number.
    pub unit: String,
    /// Largest accepted difference; `None` = from the uncertainties.
    pub tolerance: Option<f64>,
    pub status: Status,
    /// Where the shell ends that the source counts (nm), and how wide its bins are (nm, or ° of angles), where it states them.
    pub r_min: Option<f64>,
    pub bin_width: Option<f64>,
    /// The source states a direction and no number: how the quantity changes from another system to this one.
    pub trend: Option<Trend>,
    /// Does the value speak of the same system and method? If not it is shown without a verdict.
    pub comparable: bool,
    pub citation: String,
    pub note: String,
}

/// A change between two systems of a case.
#[derive(Debug, Clone, PartialEq)]
pub struct Trend {
    /// The system that is compared with, by its name within the case.
    pub from: String,
    pub rises: bool,
}
