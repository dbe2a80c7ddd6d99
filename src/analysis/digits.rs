//! Numbers as people read them: as many digits as their error supports. Every value in a report, a table or a note is written by these two.

/// Significant digits of a value without an error.
const WITHOUT_ERROR: f64 = 4.0;
/// More decimals than this are written with an exponent.
const MOST_DECIMALS: f64 = 9.0;

/// A value rounded to the second digit of its error, or to four significant digits without one. Integers without an error are whole.
pub fn number(value: f64, error: Option<f64>) -> String {
    if !value.is_finite() {
        return "not a number".to_string();
    }
    let digit_of = |x: f64| x.abs().log10().floor();
    let decimals = match error.filter(|e| *e > 0.0 && e.is_finite()) {
        // 0.0996 is 0.10 to two digits, and not 0.100.
        Some(e) => 1.0 - digit_of(e * (1.0 + 0.5e-2)),
        None if value == 0.0 || value.fract() == 0.0 => 0.0,
        None => WITHOUT_ERROR - 1.0 - digit_of(value),
    };
    if decimals < 0.0 && error.is_some() {
        let unit = 10f64.powf(-decimals);
        // a value that rounds to nothing has no sign
        return format!("{:.0}", (value / unit).round() * unit + 0.0);
    }
    if decimals > MOST_DECIMALS && value != 0.0 {
        let significant = (decimals + digit_of(value)).clamp(0.0, WITHOUT_ERROR - 1.0) as usize;
        return format!("{value:.significant$e}");
    }
    format!("{value:.*}", decimals.clamp(0.0, MOST_DECIMALS) as usize)
}

/// A number that has no error, such as a time that was asked for: up to four significant digits, and no zeros at the end.
pub fn plain(value: f64) -> String {
    let text = number(value, None);
    if text.contains('.') && !text.contains('e') {
        return text.trim_end_matches('0').trim_end_matches('.').to_string();
    }
    text
}

/// `0.20761 ± 0.00012`, or the value alone.
pub fn number_with_error(value: f64, error: Option<f64>) -> String {
    match error.filter(|e| e.is_finite()) {
        Some(e) if e > 0.0 => format!("{} ± {}", number(value, error), number(e, error)),
        _ => number(value, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_show_what_their_error_supports() {
        assert_eq!(number_with_error(0.207_612, Some(0.000_123)), "0.20761 ± 0.00012");
        assert_eq!(number_with_error(297.93, Some(0.85)), "297.93 ± 0.85");
        assert_eq!(number_with_error(297.93, Some(12.0)), "298 ± 12");
        assert_eq!(number_with_error(0.5, Some(0.0997)), "0.50 ± 0.10");
        assert_eq!(number_with_error(-24_312.7, Some(340.0)), "-24310 ± 340");
        assert_eq!(number_with_error(1_234_567.0, Some(12_345.0)), "1235000 ± 12000");
        assert_eq!(number_with_error(-3.0, Some(340.0)), "0 ± 340");
        assert_eq!(number_with_error(6.0, Some(0.0)), "6");
        assert_eq!(number_with_error(0.2076, None), "0.2076");
        assert_eq!(number_with_error(123_456.7, None), "123457");
        assert_eq!(number(1.234_56e-11, None), "1.235e-11");
        assert_eq!(number_with_error(1.234_56e-11, Some(1.5e-12)), "1.23e-11 ± 1.5e-12");
        assert_eq!(number(0.0, Some(1e-12)), "0.000000000");
        assert_eq!(number(f64::NAN, None), "not a number");
        assert_eq!([0.2, 34.5, 1234.0, 100.0, 0.123_456].map(plain), ["0.2", "34.5", "1234", "100", "0.1235"]);
    }
}
