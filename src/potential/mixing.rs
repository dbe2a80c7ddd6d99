//! Combination rules: pair parameters from those of two types.

/// A combination rule for σ and ε.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mixing {
    /// σ = (σ_a + σ_b)/2, ε = √(ε_a ε_b) (Lorentz 1881, Berthelot 1898).
    LorentzBerthelot,
    /// σ = √(σ_a σ_b), ε = √(ε_a ε_b) (OPLS, CL&P).
    Geometric,
}

impl Mixing {
    /// (σ, ε) of a pair; σ in nm, ε in kJ/mol.
    ///
    /// ```
    /// use hexaqua::potential::mixing::Mixing;
    /// let (sigma, epsilon) = Mixing::LorentzBerthelot.mix((0.2, 1.0), (0.4, 4.0));
    /// assert!((sigma - 0.3).abs() < 1e-15 && (epsilon - 2.0).abs() < 1e-15);
    /// ```
    pub fn mix(self, a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
        let epsilon = (a.1 * b.1).sqrt();
        let sigma = match self {
            Mixing::LorentzBerthelot => 0.5 * (a.0 + b.0),
            Mixing::Geometric => (a.0 * b.0).sqrt(),
        };
        (sigma, epsilon)
    }
}

impl std::fmt::Display for Mixing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Mixing::LorentzBerthelot => "Lorentz-Berthelot",
            Mixing::Geometric => "geometric",
        })
    }
}
