//! Sizes, colours and number formats that all figures share. Lengths are in CSS pixels (1×).

use plotters::style::RGBColor;
use plotters::style::colors::colormaps::{ColorMap, ViridisRGB};

use crate::runs::with_decimals;

/// Size of titles.
pub const TITLE: f64 = 15.0;
/// Size of axis titles and legends.
pub const LABEL: f64 = 12.5;
/// Size of tick labels and of values printed in a figure.
pub const TICK: f64 = 11.0;
/// Size of the line that names the data set.
pub const NOTE: f64 = 10.0;

/// The label of a row or a column is cut where it is longer.
pub const LONGEST: f64 = 320.0;

/// Width of a curve.
pub const CURVE: f64 = 1.75;
/// Width of a reference curve.
pub const REFERENCE: f64 = 1.25;
/// Lengths of a dash and of the gap after it.
pub const DASH: (f64, f64) = (5.0, 3.5);

/// Text and axes.
pub const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
/// Secondary text.
pub const FAINT_INK: RGBColor = RGBColor(0x66, 0x66, 0x66);
/// Grid lines.
pub const GRID: RGBColor = RGBColor(0xe6, 0xe6, 0xe6);
/// Paper.
pub const PAPER: RGBColor = RGBColor(0xff, 0xff, 0xff);
/// Cells without a value.
pub const MISSING: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);
/// Greys for reference curves, the darkest first.
const REFERENCES: [RGBColor; 3] = [RGBColor(0x6f, 0x6f, 0x6f), RGBColor(0xab, 0xab, 0xab), RGBColor(0x8c, 0x84, 0x74)];

/// Okabe and Ito's palette without yellow (too light on white) and black (the ink), the most distinct first.
const OKABE_ITO: [RGBColor; 6] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0xe6, 0x9f, 0x00),
];

/// The `index`-th line colour; they repeat after six.
pub fn line_colour(index: usize) -> RGBColor {
    OKABE_ITO[index % OKABE_ITO.len()]
}

/// The grey of the `index`-th reference; they repeat after three.
pub fn reference_colour(index: usize) -> RGBColor {
    REFERENCES[index % REFERENCES.len()]
}

/// The viridis colour of `fraction` in [0, 1]; values outside are clamped, NaN is [`MISSING`].
pub fn viridis(fraction: f64) -> RGBColor {
    if fraction.is_nan() { MISSING } else { ViridisRGB.get_color(fraction.clamp(0.0, 1.0)) }
}

/// Black or white, whichever is read more easily on `ground`.
pub fn contrasting_ink(ground: RGBColor) -> RGBColor {
    let linear = |channel: u8| (f64::from(channel) / 255.0).powf(2.2);
    let luminance = 0.2126 * linear(ground.0) + 0.7152 * linear(ground.1) + 0.0722 * linear(ground.2);
    // WCAG contrast with white, (1.05)/(Y + .05), against that with black, (Y + .05)/.05.
    if (luminance + 0.05).powi(2) > 1.05 * 0.05 { RGBColor(0, 0, 0) } else { RGBColor(255, 255, 255) }
}

/// `value` with `decimals` decimals and a real minus sign; never "−0".
pub fn fixed(value: f64, decimals: usize) -> String {
    let text = with_decimals(value, decimals);
    match text.strip_prefix('-') {
        Some(digits) if digits.bytes().all(|b| matches!(b, b'0' | b'.')) => digits.to_owned(),
        Some(digits) => format!("−{digits}"),
        None => text,
    }
}

/// `value` with about `digits` significant digits, in powers of ten where it is very large or small.
pub fn number(value: f64, digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0" } else { "–" }.to_owned();
    }
    let digits = digits.max(1);
    let rounded = format!("{:.*e}", digits - 1, value.abs());
    let (mantissa, exponent) = rounded.split_once('e').unwrap_or((&rounded, "0"));
    let exponent = exponent.parse::<i32>().unwrap_or(0);
    if (-3..6).contains(&exponent) {
        return fixed(value, usize::try_from(digits as i32 - 1 - exponent).unwrap_or(0));
    }
    let mantissa = if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    let factor = if mantissa == "1" { String::new() } else { format!("{mantissa}·") };
    format!("{}{factor}{}", if value < 0.0 { "−" } else { "" }, power_of_ten(exponent))
}

/// A value printed in a figure: with the given decimals, or else three digits.
pub fn printed(value: f64, decimals: Option<usize>) -> String {
    match decimals {
        Some(decimals) if value.abs() < 1e9 => fixed(value, decimals),
        _ => number(value, 3),
    }
}

/// 10 with a raised exponent: 10⁶, 10⁻³.
pub fn power_of_ten(exponent: i32) -> String {
    const RAISED: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let raised = |c: char| c.to_digit(10).map_or('⁻', |digit| RAISED[digit as usize]);
    "10".chars().chain(exponent.to_string().chars().map(raised)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_in_print() {
        assert_eq!(fixed(-100.0, 0), "−100");
        assert_eq!(fixed(-0.001, 1), "0.0");
        assert_eq!(power_of_ten(6), "10⁶");
        assert_eq!(power_of_ten(-12), "10⁻¹²");
        assert_eq!(number(1174.3, 4), "1174");
        assert_eq!(number(37.14, 3), "37.1");
        assert_eq!(number(-0.002, 1), "−0.002");
        assert_eq!(number(9.999, 2), "10");
        assert_eq!(number(1e7, 3), "10⁷");
        assert_eq!(number(-2.5e-9, 3), "−2.5·10⁻⁹");
        assert_eq!(number(1234.0, 1), "1234");
        assert_eq!(number(0.0, 3), "0");
        assert_eq!(number(f64::NAN, 3), "–");
    }

    #[test]
    fn ink_contrasts_and_viridis_is_total() {
        assert_eq!(contrasting_ink(viridis(1.0)), RGBColor(0, 0, 0));
        assert_eq!(contrasting_ink(viridis(0.0)), RGBColor(255, 255, 255));
        assert_eq!(viridis(-3.0), viridis(0.0));
        assert_eq!(viridis(f64::NAN), MISSING);
    }
}
