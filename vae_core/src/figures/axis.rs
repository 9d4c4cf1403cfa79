//! Axes: ranges that are never empty, ticks at round values, their labels.

use super::scene::Scene;
use super::text::Anchor;
use super::theme;

/// Values beyond this are treated as missing: their differences would overflow.
const LARGEST: f64 = 1e150;

/// Whether a value can be drawn.
pub(crate) fn drawable(value: f64) -> bool {
    value.abs() <= LARGEST
}

/// A tick and its label.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    pub(crate) value: f64,
    pub(crate) label: String,
}

/// A range of values along one side of a panel.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    lo: f64,
    hi: f64,
    log: bool,
}

impl Axis {
    /// Linear axis over `lo..hi`, widened where that is empty or too narrow for round ticks.
    pub(crate) fn linear(lo: f64, hi: f64) -> Self {
        let (lo, hi) = if lo <= hi { (lo, hi) } else { (hi, lo) };
        let (lo, hi) = if drawable(lo) && drawable(hi) { (lo, hi) } else { (0.0, 1.0) };
        let magnitude = lo.abs().max(hi.abs());
        let (lo, hi) = if magnitude < 1e-150 {
            if lo == hi { (-0.5, 0.5) } else { (0.0, 1.0) }
        } else if hi - lo < 1e-6 * magnitude {
            (lo - 0.05 * magnitude, hi + 0.05 * magnitude)
        } else {
            (lo, hi)
        };
        Self { lo, hi, log: false }
    }

    /// Linear axis with a margin of `share` of its length at each end.
    pub(crate) fn padded(lo: f64, hi: f64, share: f64) -> Self {
        let Self { lo, hi, log } = Self::linear(lo, hi);
        let pad = share * (hi - lo);
        Self { lo: lo - pad, hi: hi + pad, log }
    }

    /// Logarithmic axis; `lo` must be positive.
    pub(crate) fn log(lo: f64, hi: f64) -> Self {
        let valid = |v: f64| v > 1e-150 && drawable(v);
        let (lo, hi) = if valid(lo) && valid(hi) && lo <= hi { (lo, hi) } else { (1.0, 10.0) };
        let (lo, hi) = if hi / lo < 1.01 { (lo / 3.0, hi * 3.0) } else { (lo, hi) };
        Self { lo, hi, log: true }
    }

    pub(crate) fn contains(&self, value: f64) -> bool {
        (self.lo..=self.hi).contains(&value)
    }

    /// Where `value` lies: 0 at the low end, 1 at the high end, outside these for values outside the range.
    pub(crate) fn position(&self, value: f64) -> f64 {
        let map = |v: f64| if self.log { v.log10() } else { v };
        (map(value) - map(self.lo)) / (map(self.hi) - map(self.lo))
    }

    /// About `target` labelled ticks (at least two wherever round values allow).
    pub(crate) fn ticks(&self, target: usize) -> Vec<Tick> {
        if self.log { self.log_ticks(target) } else { self.linear_ticks(target) }
    }

    /// Unlabelled ticks of a logarithmic axis.
    pub(crate) fn minor_ticks(&self) -> Vec<f64> {
        if !self.log || self.decades().count() > 12 {
            return Vec::new();
        }
        self.decades()
            .flat_map(|d| (2..10).map(move |k| f64::from(k) * 10f64.powi(d)))
            .filter(|v| self.contains(*v))
            .collect()
    }

    fn decades(&self) -> impl Iterator<Item = i32> + use<> {
        self.lo.log10().floor() as i32..=self.hi.log10().ceil() as i32
    }

    fn log_ticks(&self, target: usize) -> Vec<Tick> {
        let within = |d: &i32| self.contains(10f64.powi(*d) * (1.0 + 1e-12)) || self.contains(10f64.powi(*d));
        let whole: Vec<i32> = self.decades().filter(within).collect();
        if whole.len() >= 2 {
            // Every `skip`-th decade; of `2 skip` consecutive ones two are multiples of `skip`, wherever they start.
            let skip = whole.len().div_ceil(target.max(2)).min(whole.len() / 2) as i32;
            return whole
                .into_iter()
                .filter(|d| d.rem_euclid(skip) == 0)
                .map(|d| Tick { value: 10f64.powi(d), label: theme::power_of_ten(d) })
                .collect();
        }
        let parts: &[f64] =
            if self.hi / self.lo > 4.0 { &[1.0, 2.0, 5.0] } else { &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0] };
        let label = |k: f64, d: i32| match d {
            -2..4 => theme::number(k * 10f64.powi(d), 2),
            _ if k == 1.0 => theme::power_of_ten(d),
            _ => format!("{k}·{}", theme::power_of_ten(d)),
        };
        let ticks: Vec<Tick> = self
            .decades()
            .flat_map(|d| parts.iter().map(move |&k| Tick { value: k * 10f64.powi(d), label: label(k, d) }))
            .filter(|tick| self.contains(tick.value))
            .collect();
        if ticks.len() >= 2 { ticks } else { self.linear_ticks(target.min(4)) }
    }

    fn linear_ticks(&self, target: usize) -> Vec<Tick> {
        let span = self.hi - self.lo;
        let rough = span / target.max(2) as f64;
        let decade = 10f64.powf(rough.log10().floor());
        let step =
            [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(|k| k * decade >= rough * 0.999).unwrap_or(10.0) * decade;
        let slack = 1e-9 * span;
        let (first, last) = (((self.lo - slack) / step).ceil(), ((self.hi + slack) / step).floor());
        if !(first.is_finite() && last - first < 100.0) {
            return Vec::new();
        }
        let count = (last - first).max(-1.0) as i64 + 1;
        if count < 2 && target < 64 {
            return self.linear_ticks(2 * target.max(2));
        }
        let values: Vec<f64> = (0..count).map(|i| (first + i as f64) * step).collect();
        let largest = values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let label = |v: f64| {
            if (1e-4..1e6).contains(&largest) {
                // Enough decimals for the step: 0.25 needs one more than 0.2.
                let decimals = (0..12).find(|d| {
                    let scaled = step * 10f64.powi(*d);
                    (scaled - scaled.round()).abs() < 1e-6 * scaled
                });
                theme::fixed(v, decimals.unwrap_or(0) as usize)
            } else if v.abs() < 1e-9 * largest {
                "0".to_owned()
            } else {
                theme::number(v, 1 + (largest / step).log10().ceil().clamp(1.0, 8.0) as usize)
            }
        };
        values.into_iter().map(|value| Tick { value, label: label(value) }).collect()
    }
}

/// A rectangle with a horizontal and a vertical axis.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
}

impl Frame {
    pub(crate) fn at(&self, x: f64, y: f64) -> (f64, f64) {
        (self.left + self.width * self.x.position(x), self.top + self.height * (1.0 - self.y.position(y)))
    }

    pub(crate) fn right(&self) -> f64 {
        self.left + self.width
    }

    pub(crate) fn bottom(&self) -> f64 {
        self.top + self.height
    }

    fn y_target(height: f64) -> usize {
        (height / 34.0) as usize
    }

    /// Room that the tick labels of `axis` need to the left of a frame of the given height.
    pub(crate) fn y_label_width(scene: &Scene, axis: &Axis, height: f64) -> f64 {
        let ticks = axis.ticks(Self::y_target(height));
        ticks.iter().map(|t| scene.face.width(&t.label, theme::TICK)).fold(0.0, f64::max) + 7.0
    }

    /// Horizontal grid lines, the left spine, ticks and labels.
    pub(crate) fn draw_y(&self, scene: &mut Scene) {
        for tick in self.y.ticks(Self::y_target(self.height)) {
            let (_, y) = self.at(0.0, tick.value);
            scene.line(vec![(self.left, y), (self.right(), y)], theme::GRID, 0.75);
            scene.line(vec![(self.left - 3.5, y), (self.left, y)], theme::INK, 0.75);
            scene.text(tick.label, (self.left - 6.0, y), theme::TICK, theme::INK, Anchor::End);
        }
        scene.line(vec![(self.left, self.top), (self.left, self.bottom())], theme::INK, 1.0);
    }

    /// Vertical grid lines, the bottom spine, ticks and as many labels as fit.
    pub(crate) fn draw_x(&self, scene: &mut Scene) {
        let bottom = self.bottom();
        let mut free_from = f64::NEG_INFINITY;
        for tick in self.x.ticks((self.width / 40.0) as usize) {
            let (x, _) = self.at(tick.value, 0.0);
            scene.line(vec![(x, self.top), (x, bottom)], theme::GRID, 0.75);
            scene.line(vec![(x, bottom), (x, bottom + 3.5)], theme::INK, 0.75);
            let half = 0.5 * scene.face.width(&tick.label, theme::TICK);
            if x - half >= free_from {
                scene.text(tick.label, (x, bottom + 12.0), theme::TICK, theme::INK, Anchor::Middle);
                free_from = x + half + 6.0;
            }
        }
        for value in self.x.minor_ticks() {
            let (x, _) = self.at(value, 0.0);
            scene.line(vec![(x, bottom), (x, bottom + 2.0)], theme::INK, 0.5);
        }
        scene.line(vec![(self.left, bottom), (self.right(), bottom)], theme::INK, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(axis: &Axis, target: usize) -> Vec<String> {
        axis.ticks(target).into_iter().map(|t| t.label).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(&Axis::linear(-158.0, -98.0), 6), ["−150", "−140", "−130", "−120", "−110", "−100"]);
        assert_eq!(labels(&Axis::linear(0.0, 1.0), 4), ["0.00", "0.25", "0.50", "0.75", "1.00"]);
        assert_eq!(labels(&Axis::log(5e4, 1e8), 6), ["10⁵", "10⁶", "10⁷", "10⁸"]);
        assert_eq!(labels(&Axis::log(1e3, 1e3), 6).len(), 2 + 1);
        assert_eq!(labels(&Axis::log(1e5, 3e5), 6), ["10⁵", "1.5·10⁵", "2·10⁵", "3·10⁵"]);
        assert_eq!(labels(&Axis::log(1e-100, 1e100), 5).len(), 5);
        assert_eq!(labels(&Axis::log(2e-78, 3e-67), 0), ["10⁻⁷⁵", "10⁻⁷⁰"]);
        assert_eq!(labels(&Axis::linear(0.0, 4e7), 4), ["0", "10⁷", "2·10⁷", "3·10⁷", "4·10⁷"]);
    }

    proptest! {
        #[test]
        fn every_range_gets_ticks_inside_it(
            a in proptest::num::f64::ANY,
            b in proptest::num::f64::ANY,
            target in 0usize..12,
            log: bool,
        ) {
            let axis = if log { Axis::log(a, b) } else { Axis::padded(a, b, 0.03) };
            let ticks = axis.ticks(target);
            prop_assert!(ticks.len() >= 2 && ticks.len() < 40, "{axis:?} {ticks:?}");
            for tick in ticks {
                let position = axis.position(tick.value);
                prop_assert!((-1e-6..=1.0 + 1e-6).contains(&position), "{axis:?} {tick:?}");
            }
        }

        #[test]
        fn labels_tell_ticks_apart(a in -1e7f64..1e7, span in 1e-3f64..1e7) {
            let axis = Axis::linear(a, a + span);
            let mut labels = labels(&axis, 5);
            let count = labels.len();
            labels.dedup();
            prop_assert_eq!(labels.len(), count);
        }
    }
}
