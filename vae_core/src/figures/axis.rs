//! Axes: ranges that are never empty, with plotters' round ticks and labels of our own, and the charts that they span.
//!
//! plotters' own labels have no powers of ten, no real minus and too many decimals, its logarithmic axis too few ticks
//! below a decade: a logarithmic axis is a linear one of logarithms here.

use std::ops::Range;

use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::{Cartesian2d, Color, IntoLogRange, LogCoord, TRANSPARENT};

use super::canvas::Canvas;
use super::png::failed;
use super::scene::{Scene, quarters, style};
use super::theme;
use crate::Result;

/// Values beyond this are treated as missing: their differences would overflow.
const LARGEST: f64 = 1e150;

/// Whether a value can be drawn.
pub(crate) fn drawable(value: f64) -> bool {
    value.abs() <= LARGEST
}

/// Values along one side of a chart: a range and labelled ticks, and small ticks without labels.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    lo: f64,
    hi: f64,
    pub(crate) ticks: Vec<(f64, String)>,
    small: Vec<f64>,
    /// Whether lines go through the chart at the ticks.
    grid: bool,
}

impl Axis {
    /// Over `lo..hi`, widened where that is empty or too narrow for round ticks, and by a margin of `share` of its length
    /// at each end. At most `most` ticks, but two wherever round values allow.
    pub(crate) fn linear(lo: f64, hi: f64, share: f64, most: usize) -> Self {
        let (lo, hi) = if drawable(lo) && drawable(hi) { (lo.min(hi), lo.max(hi)) } else { (0.0, 1.0) };
        let magnitude = lo.abs().max(hi.abs());
        let (lo, hi) = match () {
            () if magnitude < 1e-150 => (-0.5, 0.5),
            () if hi - lo < 1e-6 * magnitude => (lo - 0.05 * magnitude, hi + 0.05 * magnitude),
            () => (lo, hi),
        };
        let margin = share * (hi - lo);
        let (lo, hi) = (lo - margin, hi + margin);
        Self { lo, hi, ticks: round_values(lo, hi, most), small: Vec::new(), grid: true }
    }

    /// Over the decimal logarithms of the positive values `lo..hi`.
    pub(crate) fn logarithms(lo: f64, hi: f64, most: usize) -> Self {
        let valid = |v: f64| v > 1e-150 && drawable(v);
        let (lo, hi) = if valid(lo) && valid(hi) && lo <= hi { (lo, hi) } else { (1.0, 10.0) };
        let (lo, hi) = if hi / lo < 1.01 { (lo / 3.0, hi * 3.0) } else { (lo, hi) };
        let whole = ((hi / lo).log10() + 1e-9).max(1.0) as usize;
        let range: LogCoord<f64> = (lo * (1.0 - 1e-9)..hi * (1.0 + 1e-9)).log_scale().into();
        let powers = range.key_points(most.min(whole)).into_iter().map(|v| v.log10().round());
        let mut ticks: Vec<_> = powers.map(|d| (d, theme::power_of_ten(d as i32))).collect();
        if ticks.len() < 2 {
            let plain = round_values(lo, hi, most.min(4)).into_iter().filter(|tick| tick.0 > 0.0);
            ticks = plain.map(|(v, label)| (v.log10(), label)).collect();
        }
        let (lo, hi) = (lo.log10(), hi.log10());
        let decades = (lo.floor() as i32..=hi.ceil() as i32).filter(|_| whole <= 12);
        let small = decades.flat_map(|d| (2..10).map(move |k| f64::from(d) + f64::from(k).log10()));
        Self { lo, hi, ticks, small: small.filter(|v| (lo..=hi).contains(v)).collect(), grid: true }
    }

    /// Places 0..n in units, each labelled in its middle; an empty label has no tick.
    pub(crate) fn places(labels: impl IntoIterator<Item = String>) -> Self {
        let ticks: Vec<_> = labels.into_iter().enumerate().map(|(i, label)| (i as f64 + 0.5, label)).collect();
        let hi = ticks.len() as f64;
        let ticks = ticks.into_iter().filter(|tick| !tick.1.is_empty()).collect();
        Self { lo: 0.0, hi, ticks, small: Vec::new(), grid: false }
    }

    /// Where `value` lies: 0 at the low end, 1 at the high end.
    pub(crate) fn position(&self, value: f64) -> f64 {
        (value - self.lo) / (self.hi - self.lo)
    }

    /// The room that the labels need beside a vertical axis.
    pub(crate) fn label_width(&self, scene: &Scene) -> f64 {
        scene.face.widest(self.ticks.iter().map(|tick| &tick.1), theme::TICK) + 7.0
    }
}

/// plotters' round values in `lo..hi`, with as many decimals as tell them apart.
fn round_values(lo: f64, hi: f64, most: usize) -> Vec<(f64, String)> {
    // plotters compares with absolute tolerances: it gets values about 1.
    let unit = 10f64.powf((hi - lo).log10().floor());
    let range = RangedCoordf64::from(lo / unit..hi / unit);
    let values = (most.max(2)..64).map(|most| range.key_points(most)).find(|values| values.len() >= 2);
    let values: Vec<f64> = values.unwrap_or_default().into_iter().map(|v| v * unit).collect();
    let step = values.windows(2).map(|v| v[1] - v[0]).fold(unit, f64::min);
    let largest = values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let digits = (largest / step).log10().ceil().clamp(1.0, 8.0) as usize + 1;
    let label = |v: f64| match v.abs() {
        _ if (1e-4..1e6).contains(&largest) => theme::fixed(v, (-(step.log10() + 1e-9).floor()).max(0.0) as usize),
        magnitude if magnitude < 1e-9 * largest => "0".to_owned(),
        _ => theme::number(v, digits),
    };
    values.into_iter().map(|v| (v, label(v))).collect()
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        from + (self.position(*value).clamp(-10.0, 10.0) * f64::from(to - from)).round() as i32
    }

    fn key_points<H: KeyPointHint>(&self, _: H) -> Vec<f64> {
        self.ticks.iter().map(|tick| tick.0).collect()
    }

    fn range(&self) -> Range<f64> {
        self.lo..self.hi
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        self.ticks.iter().find(|tick| tick.0 == *value).map_or(String::new(), |tick| tick.1.clone())
    }
}

/// A place for a chart: its plotted area in CSS pixels, and what stands at its axes.
pub(crate) struct Frame<'a> {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    /// Title of an axis and the room for title and labels.
    pub(crate) x_title: (&'a str, f64),
    pub(crate) y_title: (&'a str, f64),
}

pub(crate) type Chart = ChartContext<'static, Canvas, Cartesian2d<Axis, Axis>>;

impl Frame<'_> {
    pub(crate) fn bottom(&self) -> f64 {
        self.top + self.height
    }

    /// Draws grid, axes, labels and titles.
    pub(crate) fn chart(&self, scene: &mut Scene) -> Result<Chart> {
        let ((x_title, below), (y_title, before)) = (self.x_title, self.y_title);
        let from = (quarters(self.left - before), quarters(self.top));
        let size = (quarters(before + self.width) + 1, quarters(self.height + below) + 1);
        let area = scene.area().shrink(from, size);
        let mut chart = ChartBuilder::on(&area)
            .x_label_area_size(quarters(below))
            .y_label_area_size(quarters(before))
            .build_cartesian_2d(self.x.clone(), self.y.clone())
            .map_err(failed)?;
        let title = scene.fitting(x_title, theme::LABEL, self.width + 24.0);
        let title = title.min(scene.fitting(y_title, theme::LABEL, self.height + 16.0));
        let mut mesh = chart.configure_mesh();
        mesh.axis_style(theme::INK.stroke_width(4))
            .bold_line_style(theme::GRID.stroke_width(3))
            .light_line_style(TRANSPARENT)
            .set_all_tick_mark_size(quarters(3.0))
            .label_style(style(theme::TICK, theme::INK))
            .axis_desc_style(style(title, theme::INK))
            .x_desc(x_title)
            .y_desc(y_title);
        if !self.x.grid {
            mesh.disable_x_mesh();
        }
        if !self.y.grid {
            mesh.disable_y_mesh();
        }
        mesh.draw().map_err(failed)?;
        for &value in &self.x.small {
            let (x, y) = (self.left + self.width * self.x.position(value), self.bottom());
            scene.line(&[(x, y), (x, y + 2.0)], theme::INK, 0.5);
        }
        for &value in &self.y.small {
            let (x, y) = (self.left, self.bottom() - self.height * self.y.position(value));
            scene.line(&[(x - 2.0, y), (x, y)], theme::INK, 0.5);
        }
        Ok(chart)
    }
}
