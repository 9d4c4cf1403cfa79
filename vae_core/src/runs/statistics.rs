//! Whether a difference is more than the seeds: paired differences with a t interval, and the analysis of variance of two factors.

use statrs::distribution::{ContinuousCDF, FisherSnedecor, StudentsT};

use super::numbers::with_decimals;
use crate::{Error, Result};

/// A mean with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// Where the interval begins.
    pub low: f64,
    /// Where it ends.
    pub high: f64,
    /// Number of values.
    pub n: usize,
}

impl Interval {
    /// Of values that scatter about a mean: Student's t with n − 1 degrees of freedom.
    ///
    /// # Errors
    /// [`Error::Config`] for fewer than two values, or one that is not finite.
    pub fn of(values: &[f64]) -> Result<Self> {
        let n = values.len();
        if n < 2 || values.iter().any(|v| !v.is_finite()) {
            let reason = format!("are {values:?}; an interval needs two finite values or more: run more seeds");
            return Err(Error::config("values", reason));
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1) as f64;
        let t = StudentsT::new(0.0, 1.0, (n - 1) as f64).map_err(|e| Error::config("values", e.to_string()))?;
        let half = t.inverse_cdf(0.975) * (variance / n as f64).sqrt();
        Ok(Self { mean, low: mean - half, high: mean + half, n })
    }

    /// Of the differences a − b of two arms, pair by pair: the same seed in the same place.
    ///
    /// # Errors
    /// As [`of`](Self::of); [`Error::Shape`] if the arms have different lengths.
    pub fn paired(a: &[f64], b: &[f64]) -> Result<Self> {
        if a.len() != b.len() {
            let (expected, found) = (format!("{} values", a.len()), b.len().to_string());
            return Err(Error::Shape { what: "the second arm", expected, found });
        }
        Self::of(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>())
    }

    /// Whether it excludes 0: only then an effect is shown.
    pub fn is_shown(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }

    /// "higher by 2.1 (95 % interval 1.8 to 2.4, n = 3)", "lower by …", or "not shown to differ (…)": reads right for either sign.
    pub fn in_words(&self, higher: &str, lower: &str, decimals: usize) -> String {
        let number = |v: f64| with_decimals(v, decimals).replace('-', "−");
        let Self { mean, low, high, n } = *self;
        if !self.is_shown() {
            return format!("not shown to differ (95 % interval {} to {}, n = {n})", number(low), number(high));
        }
        let (word, low, high) = if mean > 0.0 { (higher, low, high) } else { (lower, -high, -low) };
        format!("{word} by {} (95 % interval {} to {}, n = {n})", number(mean.abs()), number(low), number(high))
    }
}

/// Slope of the least-squares line through log y over log x: −1 where y falls as 1/x.
///
/// # Errors
/// [`Error::Shape`] for different numbers of values; [`Error::Config`] if one is not positive, or all x are the same.
pub fn log_log_slope(x: &[f64], y: &[f64]) -> Result<f64> {
    if x.len() != y.len() {
        let (expected, found) = (format!("{} values", x.len()), y.len().to_string());
        return Err(Error::Shape { what: "y", expected, found });
    }
    let log = |values: &[f64]| values.iter().map(|v| v.ln()).collect::<Vec<_>>();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (x, y) = (log(x), log(y));
    let (x_mean, y_mean) = (mean(&x), mean(&y));
    let products: f64 = x.iter().zip(&y).map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
    let slope = products / x.iter().map(|x| (x - x_mean).powi(2)).sum::<f64>();
    if !slope.is_finite() {
        return Err(Error::config("values", "give no slope of logarithms: give positive ones, and two different x"));
    }
    Ok(slope)
}

/// One line of an analysis of variance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factor {
    /// Its part of the whole sum of squares, 0 to 1.
    pub share: f64,
    /// Probability of so large a share by chance, if the factor does nothing; NaN where nothing is left to compare with.
    pub p: f64,
}

/// The analysis of variance of two factors with the same number of values in each cell (Fisher 1925).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TwoWay {
    /// The rows' factor.
    pub rows: Factor,
    /// The columns' factor.
    pub columns: Factor,
    /// What the two do together beyond their sum; with one value a cell it is the residual, and its p is NaN.
    pub interaction: Factor,
    /// The share of what differs within the cells: the seeds.
    pub residual: f64,
}

impl TwoWay {
    /// Of `cells[row][column]`, each with the same number of values.
    ///
    /// # Errors
    /// [`Error::Shape`] for fewer than two rows or columns, or cells that differ in their number of values or have none.
    pub fn of(cells: &[Vec<Vec<f64>>]) -> Result<Self> {
        let (a, b) = (cells.len(), cells.first().map_or(0, Vec::len));
        let r = cells.first().and_then(|row| row.first()).map_or(0, Vec::len);
        let even = cells.iter().all(|row| row.len() == b && row.iter().all(|cell| cell.len() == r));
        if a < 2 || b < 2 || r == 0 || !even {
            let found = format!("{a} rows, {b} columns, cells of {r} values{}", if even { "" } else { " and others" });
            return Err(Error::Shape { what: "cells", expected: "2 × 2 or more, all alike".into(), found });
        }
        let mean = |values: &mut dyn Iterator<Item = f64>| {
            let (sum, n) = values.fold((0.0, 0.0), |(sum, n), v| (sum + v, n + 1.0));
            sum / n
        };
        let all = mean(&mut cells.iter().flatten().flatten().copied());
        let of_row: Vec<f64> = cells.iter().map(|row| mean(&mut row.iter().flatten().copied())).collect();
        let of_column: Vec<f64> =
            (0..b).map(|j| mean(&mut cells.iter().flat_map(|row| row[j].iter().copied()))).collect();
        let (mut interaction, mut residual) = (0.0, 0.0);
        for (row, of_row) in cells.iter().zip(&of_row) {
            for (cell, of_column) in row.iter().zip(&of_column) {
                let of_cell = mean(&mut cell.iter().copied());
                interaction += r as f64 * (of_cell - of_row - of_column + all).powi(2);
                residual += cell.iter().map(|v| (v - of_cell).powi(2)).sum::<f64>();
            }
        }
        let squares = |means: &[f64], n: usize| n as f64 * means.iter().map(|m| (m - all).powi(2)).sum::<f64>();
        let (rows, columns) = (squares(&of_row, b * r), squares(&of_column, a * r));
        let total = rows + columns + interaction + residual;
        let (df_rows, df_columns) = ((a - 1) as f64, (b - 1) as f64);
        let df_interaction = df_rows * df_columns;
        let (error, df_error) =
            if r > 1 { (residual, (a * b * (r - 1)) as f64) } else { (interaction, df_interaction) };
        let factor = |squares: f64, df: f64| {
            let f = (squares / df) / (error / df_error);
            let p = FisherSnedecor::new(df, df_error).map_or(f64::NAN, |of| of.sf(f));
            Factor { share: squares / total, p }
        };
        let mut between = factor(interaction, df_interaction);
        if r == 1 {
            between.p = f64::NAN;
        }
        Ok(Self {
            rows: factor(rows, df_rows),
            columns: factor(columns, df_columns),
            interaction: between,
            residual: residual / total,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_interval_is_that_of_the_tables() {
        // t(0.975, 4) = 2.776445; s = 1.581139 of 1 … 5
        let i = Interval::of(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        assert!((i.mean - 3.0).abs() < 1e-12 && (i.high - 3.0 - 2.776_445 * 1.581_139 / 5f64.sqrt()).abs() < 1e-5);
        assert!(i.is_shown() && Interval::of(&[1.0]).is_err() && Interval::of(&[1.0, f64::NAN]).is_err());
        let (a, b) = ([2.0, 3.1, 4.2], [1.0, 2.0, 3.0]);
        let (up, down) = (Interval::paired(&a, &b).unwrap(), Interval::paired(&b, &a).unwrap());
        assert_eq!(up.in_words("higher", "lower", 2), "higher by 1.10 (95 % interval 0.85 to 1.35, n = 3)");
        assert_eq!(down.in_words("higher", "lower", 2), "lower by 1.10 (95 % interval 0.85 to 1.35, n = 3)");
        let none = Interval::paired(&[1.0, 2.0, 3.0], &[2.0, 1.0, 3.5]).unwrap();
        assert!(none.in_words("higher", "lower", 1).starts_with("not shown to differ (95 % interval −"), "{none:?}");
        assert!(Interval::paired(&a, &b[1..]).is_err());
    }

    #[test]
    fn a_power_law_has_the_slope_of_its_exponent() {
        let x = [1.0, 2.0, 8.0, 64.0];
        let law = |power: f64| x.map(|x: f64| 3.0 * x.powf(power));
        for power in [-1.0, 0.0, 0.5] {
            assert!((log_log_slope(&x, &law(power)).unwrap() - power).abs() < 1e-12);
        }
        // least squares: the residuals (0.1, −0.2, 0.1) of three evenly spaced points leave the slope
        let bent = [0.1f64, -0.2, 0.1].iter().zip([1.0, 2.0, 4.0]).map(|(r, x)| r.exp() / x).collect::<Vec<_>>();
        assert!((log_log_slope(&[1.0, 2.0, 4.0], &bent).unwrap() + 1.0).abs() < 1e-12);
        for y in [vec![1.0, 1.0, 0.0, 1.0], vec![-1.0; 4], vec![f64::NAN; 4], vec![1.0]] {
            assert!(log_log_slope(&x, &y).is_err(), "{y:?}");
        }
        assert!(log_log_slope(&[2.0, 2.0], &[1.0, 3.0]).is_err());
    }

    /// The example of R's documentation of `warpbreaks` would need its data; these numbers are worked by hand.
    #[test]
    fn two_factors_by_hand() {
        // rows differ by 4, columns by 2, no interaction, cells ±1
        let cell = |m: f64| vec![m - 1.0, m + 1.0];
        let cells = vec![vec![cell(0.0), cell(2.0)], vec![cell(4.0), cell(6.0)]];
        let found = TwoWay::of(&cells).unwrap();
        // sums of squares: rows 8·4 = 32, columns 8·1 = 8, interaction 0, residual 8·1 = 8
        for (share, expected) in [(found.rows.share, 32.0), (found.columns.share, 8.0), (found.residual, 8.0)] {
            assert!((share - expected / 48.0).abs() < 1e-12, "{found:?}");
        }
        assert!(found.interaction.share.abs() < 1e-12 && found.interaction.p > 0.99);
        // F(1, 4) = 32 / (8/4) = 16: p = 0.016130; F = 4: p = 0.116117
        assert!((found.rows.p - 0.016_130).abs() < 1e-5 && (found.columns.p - 0.116_117).abs() < 1e-5, "{found:?}");
        let single: Vec<Vec<Vec<f64>>> = vec![vec![vec![1.0], vec![2.0]], vec![vec![3.0], vec![4.5]]];
        assert!(TwoWay::of(&single).unwrap().interaction.p.is_nan() && TwoWay::of(&single).unwrap().residual == 0.0);
        assert!(
            TwoWay::of(&cells[..1]).is_err()
                && TwoWay::of(&[vec![vec![1.0], vec![]], vec![vec![1.0], vec![1.0]]]).is_err()
        );
    }
}
