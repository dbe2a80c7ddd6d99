//! The shader files, and how they are joined into a module: `common/*`, one `vdw/*`, one `coulomb/*`, then the pass; then
//! [`super::preprocess`] chooses lines.

use super::ewald_fit;
use super::preprocess::preprocess;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Joined in this order ahead of every pass.
const COMMON: [&str; 9] = ["pair", "cell", "reduce", "trig", "philox", "mesh", "rigid_water", "status", "step"];

macro_rules! embed {
    ($($path:literal),* $(,)?) => {
        [$(($path, include_str!(concat!("../../../shaders/", $path, ".wgsl")))),*]
    };
}

/// File name without `shaders/` and `.wgsl` → text.
#[derive(Debug, Clone)]
pub struct Shaders {
    files: BTreeMap<&'static str, Cow<'static, str>>,
}

/// Pieces that a pass is joined with.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pieces<'a> {
    /// e.g. `vdw/lennard_jones`
    pub vdw: Option<&'static str>,
    /// e.g. `coulomb/ewald_real`
    pub coulomb: Option<&'static str>,
    /// Names that `//#if` asks for.
    pub defines: &'a [&'a str],
}

impl<'a> Pieces<'a> {
    /// No pair form, some names.
    pub fn defining(defines: &'a [&'a str]) -> Self {
        Pieces { defines, ..Pieces::default() }
    }
}

impl Shaders {
    /// The files compiled into the library.
    pub fn embedded() -> Self {
        let files = embed![
            "common/pair",
            "common/cell",
            "common/reduce",
            "common/trig",
            "common/philox",
            "common/mesh",
            "common/rigid_water",
            "common/status",
            "common/step",
            "vdw/lennard_jones",
            "vdw/lennard_jones_switch",
            "coulomb/ewald_real",
            "coulomb/reaction_field",
            "coulomb/cutoff",
            "part/pair_kernel",
            "part/pair_partials",
            "part/fixed_force",
            "part/add_force",
            "part/add_own_force",
            "part/take_pair_force",
            "part/spread_atoms",
            "part/mesh_force",
            "part/gather_atoms",
            "part/force_on",
            "part/placed",
            "part/external_uniform",
            "part/gaussian",
            "probe",
            "pack",
            "nb_full",
            "bonded",
            "external",
            "electrode",
            "virtual_sites",
            "constraints",
            "nb_half",
            "prune",
            "ewald_structure",
            "ewald_force",
            "spread",
            "fft",
            "gather",
            "momentum",
            "couple",
            "update",
            "displacement",
            "micro",
        ];
        let mut files: BTreeMap<&'static str, Cow<'static, str>> =
            files.into_iter().map(|(name, text)| (name, Cow::Borrowed(text))).collect();
        files.insert("coulomb/ewald_fit", Cow::Owned(ewald_fit::wgsl()));
        Shaders { files }
    }

    /// The same files with one piece of text replaced everywhere in one of them: how tests make a wrong shader.
    ///
    /// Fails when the text is not there, so that a control cannot silently test the unchanged shader.
    pub fn with_edit(mut self, file: &'static str, from: &str, to: &str) -> Result<Self, String> {
        let text = self.files.get_mut(file).ok_or_else(|| format!("no shader file '{file}'"))?;
        if !text.contains(from) {
            return Err(format!("shader file '{file}' does not contain '{from}'"));
        }
        *text = Cow::Owned(text.replace(from, to));
        Ok(self)
    }

    fn text(&self, file: &str) -> &str {
        self.files.get(file).map_or("", |text| text.as_ref())
    }

    /// The module of one pass.
    ///
    /// * `pass` – file name, e.g. `nb_full`
    pub fn module(&self, pass: &str, pieces: Pieces<'_>) -> String {
        let mut parts: Vec<&str> = Vec::new();
        let common: Vec<String> = COMMON.iter().map(|name| format!("common/{name}")).collect();
        parts.extend(common.iter().map(|file| self.text(file)));
        parts.extend(pieces.vdw.map(|file| self.text(file)));
        if pieces.coulomb == Some("coulomb/ewald_real") {
            parts.push(self.text("coulomb/ewald_fit"));
        }
        parts.extend(pieces.coulomb.map(|file| self.text(file)));
        parts.push(self.text(pass));
        // a broken directive stands in the text, so that compiling the pass fails with its message
        preprocess(&parts.join("\n"), &self.files, pieces.defines)
            .unwrap_or_else(|why| format!("the preprocessor refuses {pass}: {why}"))
    }
}
