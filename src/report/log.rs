//! Figures of the log: temperature, energies and the conserved quantity against time, with the start of the stationary part marked.

use super::text;
use crate::analysis::blocks::Estimate;
use crate::analysis::equilibration;
use crate::analysis::{Axis, Column, Figure, Mark, Series, SeriesKind};

/// Time (ps) from which a series is stationary, judged from `from` on (J. D. Chodera 2016; see [`equilibration`]).
pub fn stationary_from(time: &[f64], values: &[f64], from: f64) -> Option<f64> {
    let first = time.iter().position(|t| *t >= from - 1e-9)?;
    let found = equilibration::detect(&values[first..])?;
    time.get(first + found.start).copied()
}

/// Figures for the columns that are there; the first column is the time (ps).
///
/// * `analysed_from` – ps; the stationary part is looked for behind it, and in the whole series without it
pub fn figures(log: &[Column], analysed_from: Option<f64>) -> Vec<Figure> {
    let Some((time, columns)) = log.split_first() else {
        return Vec::new();
    };
    if time.values.len() < 2 {
        return Vec::new();
    }
    let column = |name: &str| columns.iter().find(|c| c.name == name);
    let series = |label: String, color: usize, column: &Column, zero: f64| {
        let points = time.values.iter().zip(&column.values).map(|(&t, &v)| [t, v - zero]).collect();
        Series::new(SeriesKind::Line, label, color, points)
    };
    let from = analysed_from.unwrap_or(f64::NEG_INFINITY);
    let figure = |name: &str, title: String, y: Axis, series: Vec<Series>, judged: Option<&Column>| {
        let x = Axis::new("time", &time.unit);
        let start = judged.and_then(|column| stationary_from(&time.values, &column.values, from));
        let mark = |x| Mark { x, label: format!("stationary from {} {}", text::number(x, None), time.unit) };
        Figure {
            name: name.to_string(),
            title,
            x,
            y,
            series,
            marks: start.map(mark).into_iter().collect(),
            ..Default::default()
        }
    };
    // Means are those of the analysed part, with their errors, as the tables have them.
    let analysed_mean = |column: &Column| {
        let part = time.values.iter().zip(&column.values).filter(|(t, _)| **t >= from - 1e-9).map(|(_, v)| *v);
        Estimate::of_series(&part.collect::<Vec<f64>>(), mean)
    };
    let told = |e: Estimate| text::number_with_error(e.value, e.error);
    let mut figures = Vec::new();
    if let Some(temperature) = column("temperature") {
        let title = format!("Temperature, mean {} {}", told(analysed_mean(temperature)), temperature.unit);
        let window = (temperature.values.len() / 40).max(1);
        let average = Column { values: running_mean(&temperature.values, window), ..temperature.clone() };
        let lines = vec![
            Series { kind: SeriesKind::Faint, ..series("every line of the log".to_string(), 1, temperature, 0.0) },
            series("running mean".to_string(), 1, &average, 0.0),
        ];
        figures.push(figure("temperature", title, Axis::new("T", &temperature.unit), lines, Some(temperature)));
    }
    let charges: Vec<&Column> = columns.iter().filter(|c| c.name.starts_with("charge_")).collect();
    if let Some(last) = charges.last() {
        let name = |c: &Column| c.name.trim_start_matches("charge_").to_string();
        let title = format!("Charge of electrodes, mean of {} {} {}", name(last), told(analysed_mean(last)), last.unit);
        let lines = charges.iter().enumerate().map(|(k, column)| series(name(column), k + 1, column, 0.0)).collect();
        figures.push(figure("electrode-charge", title, Axis::new("Q", &last.unit), lines, Some(last)));
    }
    let energies: Vec<&Column> = ["potential", "kinetic", "total"].iter().filter_map(|name| column(name)).collect();
    if let Some(first) = energies.first() {
        // Potential and kinetic energy differ by thousands of kJ/mol; what is worth seeing is how they move.
        let lines = energies
            .iter()
            .enumerate()
            .map(|(color, c)| {
                let mean = analysed_mean(c);
                series(format!("{} (mean {})", c.name, told(mean)), color, c, mean.value)
            })
            .collect();
        figures.push(figure(
            "energy",
            "Energies".to_string(),
            Axis::new("deviation from the mean", &first.unit),
            lines,
            Some(*first),
        ));
    }
    if let Some(conserved) = column("conserved") {
        let first = conserved.values.first().copied().unwrap_or(0.0);
        let lines = vec![series("conserved quantity".to_string(), 2, conserved, first)];
        let y = Axis::new("change since the start", &conserved.unit);
        figures.push(figure("conserved", "Conserved quantity".to_string(), y, lines, None));
    }
    figures
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Mean over `reach` values to either side, fewer at the ends.
fn running_mean(values: &[f64], reach: usize) -> Vec<f64> {
    let around = |k: usize| &values[k.saturating_sub(reach)..(k + reach + 1).min(values.len())];
    (0..values.len()).map(|k| mean(around(k))).collect()
}
