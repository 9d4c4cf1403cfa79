//! Learning curves, and other lines, of one panel.

use plotters::element::{Circle, Polygon};
use plotters::prelude::{Color, LineSeries, RGBColor};
use serde::Serialize;

use super::axis::{Axis, Chart, drawable};
use super::figure::{Heading, headed};
use super::png::failed;
use super::scene::{dashes, quarters};
use super::theme;
use super::thin::thin_line;
use crate::{Error, Result};

/// The curves of one run, or the means over several seeds. NaN and infinities are gaps.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Curve {
    /// Its name in the legend; curves of the same name have the same colour in all panels.
    pub label: String,
    /// Training samples seen at each point, or whatever the panel's horizontal axis is; increasing.
    pub samples: Vec<f64>,
    /// Values on the training set, drawn solid; as many as `samples`, or none.
    pub train: Vec<f64>,
    /// Values on held-out data, drawn dashed; as many as `samples`, or none.
    pub held_out: Vec<f64>,
    /// Low and high end of a band about `train`, say over seeds.
    pub train_band: Option<Vec<(f64, f64)>>,
    /// The same about `held_out`.
    pub held_out_band: Option<Vec<(f64, f64)>>,
}

impl Curve {
    /// A curve without bands.
    pub fn new(label: impl Into<String>, samples: Vec<f64>, train: Vec<f64>, held_out: Vec<f64>) -> Self {
        Self { label: label.into(), samples, train, held_out, ..Self::default() }
    }

    /// Only what it has on held-out data, drawn solid, where many curves are compared; call the solid ones so by
    /// [`train_label`](LearningCurves::train_label).
    #[must_use]
    pub fn only_held_out(self) -> Self {
        let (train, train_band) = (self.held_out, self.held_out_band);
        Self { train, train_band, held_out: Vec::new(), held_out_band: None, ..self }
    }
}

/// Someone else's curve, drawn thin and grey behind the others.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reference {
    /// Its name in the legend.
    pub label: String,
    /// Training samples seen at each point.
    pub samples: Vec<f64>,
    /// Its values.
    pub values: Vec<f64>,
    /// Whether it is held-out data.
    pub dashed: bool,
}

/// A panel of learning curves over the number of training samples, or of lines over anything else, and a figure by itself.
#[derive(Clone, Debug)]
pub struct LearningCurves {
    pub(super) heading: Heading,
    pub(super) x_label: String,
    pub(super) y_label: String,
    pub(super) train_label: String,
    pub(super) held_out_label: String,
    pub(super) linear_x: bool,
    pub(super) log_y: bool,
    x_range: Option<(f64, f64)>,
    y_range: Option<(f64, f64)>,
    pub(super) curves: Vec<Curve>,
    pub(super) references: Vec<Reference>,
}

impl LearningCurves {
    /// An empty panel; as a figure, its files are named `id`.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            heading: Heading::new(id),
            x_label: "training samples seen".into(),
            y_label: "lower bound (nats per datapoint)".into(),
            train_label: "train".into(),
            held_out_label: "held out".into(),
            linear_x: false,
            log_y: false,
            x_range: None,
            y_range: None,
            curves: Vec::new(),
            references: Vec::new(),
        }
    }

    headed!();

    /// Title of the horizontal axis ("training samples seen" unless said otherwise).
    pub fn x_label(mut self, label: impl Into<String>) -> Self {
        self.x_label = label.into();
        self
    }

    /// Title of the vertical axis.
    pub fn y_label(mut self, label: impl Into<String>) -> Self {
        self.y_label = label.into();
        self
    }

    /// A horizontal axis of the values themselves, of either sign, not of their logarithms.
    pub fn linear_x(mut self) -> Self {
        self.linear_x = true;
        self
    }

    /// A vertical axis of logarithms, say for variances; what is not positive is a gap.
    pub fn log_y(mut self) -> Self {
        self.log_y = true;
        self
    }

    /// The range of the vertical axis, at which curves are cut; by default it holds all but stray values.
    pub fn y_range(mut self, low: f64, high: f64) -> Self {
        self.y_range = Some((low, high));
        self
    }

    /// What the solid curves are called in the legend ("train" unless said otherwise; an empty name has no entry).
    pub fn train_label(mut self, label: impl Into<String>) -> Self {
        self.train_label = label.into();
        self
    }

    /// What the dashed curves are called in the legend ("held out" unless said otherwise; nothing if empty).
    pub fn held_out_label(mut self, label: impl Into<String>) -> Self {
        self.held_out_label = label.into();
        self
    }

    /// The range of the horizontal axis, which must hold all samples and not be empty.
    pub(crate) fn x_range(mut self, low: f64, high: f64) -> Self {
        self.x_range = Some((low, high));
        self
    }

    /// Adds a curve.
    pub fn curve(mut self, curve: Curve) -> Self {
        self.curves.push(curve);
        self
    }

    /// Adds someone else's curve.
    pub fn reference(mut self, label: impl Into<String>, samples: Vec<f64>, values: Vec<f64>, dashed: bool) -> Self {
        self.references.push(Reference { label: label.into(), samples, values, dashed });
        self
    }

    /// Adds someone else's curves.
    pub fn references(mut self, references: impl IntoIterator<Item = Reference>) -> Self {
        self.references.extend(references);
        self
    }

    /// Samples and values of every line in the panel.
    fn series(&self) -> impl Iterator<Item = (&[f64], &[f64])> {
        let curves = self.curves.iter().flat_map(|c| {
            [&c.train, &c.held_out].into_iter().filter(|v| !v.is_empty()).map(|v| (c.samples.as_slice(), v.as_slice()))
        });
        curves.chain(self.references.iter().map(|r| (r.samples.as_slice(), r.values.as_slice())))
    }

    pub(super) fn check(&self) -> Result<()> {
        let or_none = |values: &Vec<f64>, n: usize| if values.is_empty() { n } else { values.len() };
        let curves = self.curves.iter().flat_map(|c| {
            let n = c.samples.len();
            let band = |band: &Option<Vec<_>>| band.as_ref().map_or(n, Vec::len);
            let found = [or_none(&c.train, n), or_none(&c.held_out, n), band(&c.train_band), band(&c.held_out_band)];
            found.map(|found| (&c.label, n, found))
        });
        let references = self.references.iter().map(|r| (&r.label, r.samples.len(), r.values.len()));
        if let Some((label, expected, found)) = curves.chain(references).find(|(_, n, found)| n != found) {
            let shape = |n| format!("{n} values (curve {label:?})");
            let (expected, found) = (shape(expected), shape(found));
            return Err(Error::Shape { what: "values, one per number of samples", expected, found });
        }
        let valid = |x: f64| drawable(x) && (self.linear_x || x > 0.0);
        if !self.series().all(|(samples, _)| samples.is_sorted() && samples.iter().all(|&x| valid(x))) {
            let reason = if self.linear_x { "finite" } else { "finite, positive" };
            return Err(self.heading.error(format!("numbers of samples must be {reason} and in increasing order")));
        }
        if !self.series().any(|(_, values)| values.iter().any(|&v| drawable(self.height(v)))) {
            let what = if self.log_y { "positive" } else { "finite" };
            return Err(self.heading.error(format!("there is no {what} value to draw; add a curve")));
        }
        if let Some((low, high)) = self.y_range
            && !(drawable(self.height(low)) && drawable(self.height(high)) && low < high)
        {
            let reason =
                format!("its vertical axis cannot go from {low} to {high}: give finite values, the lower first");
            return Err(self.heading.error(reason + if self.log_y { ", both positive" } else { "" }));
        }
        Ok(())
    }

    /// Where a value stands on the vertical axis; NaN where it has no place.
    fn height(&self, value: f64) -> f64 {
        match self.log_y {
            true if value > 1e-150 && drawable(value) => value.log10(),
            true => f64::NAN,
            false => value,
        }
    }

    /// Where the points of a line stand on the axes.
    pub(super) fn points<'a>(&'a self, samples: &'a [f64], values: &'a [f64]) -> impl Iterator<Item = Point> + 'a {
        let along = |x: f64| if self.linear_x { x } else { x.log10() };
        samples.iter().zip(values).map(move |(x, value)| (along(*x), self.height(*value)))
    }

    /// The axes for a plotted area of the given size.
    pub(super) fn axes(&self, (width, height): (f64, f64)) -> (Axis, Axis) {
        let fold = |range: (f64, f64), v: f64| (range.0.min(v), range.1.max(v));
        let nothing = (f64::INFINITY, f64::NEG_INFINITY);
        let seen = |(s, v): (&[f64], &[f64])| {
            let there = |(x, v): (&f64, &f64)| drawable(self.height(*v)).then_some(*x);
            s.iter().zip(v).filter_map(there).collect::<Vec<_>>()
        };
        let (low, high) = self.x_range.unwrap_or_else(|| self.series().flat_map(seen).fold(nothing, fold));
        let x = match self.linear_x {
            true => Axis::linear(low, high, 0.0, (width / 60.0) as usize),
            false => Axis::logarithms(low, high, (width / 40.0) as usize),
        };
        // Others' curves may fall further out of view, so that they do not squeeze those shown; nothing squeezes logarithms.
        let own = self.series().count() - self.references.len();
        let range = |(index, (samples, values))| {
            let points = self.points(samples, values);
            if self.log_y {
                let heights = points.map(|point| point.1).filter(|height| drawable(*height));
                return heights.map(|y| (y, y)).reduce(|range, (y, _)| fold(range, y));
            }
            core_range(points, if index >= own && own > 0 { 0.15 } else { 0.05 })
        };
        let ranges = self.series().enumerate().filter_map(range);
        let (given, most) = (self.y_range.map(|(low, high)| (self.height(low), self.height(high))), height / 30.0);
        let share = if given.is_some() { 0.0 } else { 0.04 };
        let (low, high) =
            given.unwrap_or_else(|| ranges.fold(nothing, |range, (low, high)| fold(fold(range, low), high)));
        if self.log_y {
            let margin = share * (high - low);
            return (x, Axis::logarithms(10f64.powf(low - margin), 10f64.powf(high + margin), most as usize));
        }
        (x, Axis::linear(low, high, share, most as usize))
    }

    /// Draws the curves; `colour` is that of a label, of a reference or not.
    pub(super) fn draw(&self, chart: &mut Chart, colour: impl Fn(&str, bool) -> RGBColor) -> Result<()> {
        for r in &self.references {
            let points = self.points(&r.samples, &r.values).collect();
            draw_line(chart, points, colour(&r.label, true), theme::REFERENCE, r.dashed)?;
        }
        let curve = |label: &str| colour(label, false);
        for c in &self.curves {
            for band in [&c.train_band, &c.held_out_band].into_iter().flatten() {
                let (low, high): (Vec<_>, Vec<_>) = band.iter().copied().unzip();
                let polygons = bands(self.points(&c.samples, &low).zip(self.points(&c.samples, &high)).collect());
                let area = |outline| Polygon::new(outline, curve(&c.label).mix(0.2));
                chart.draw_series(polygons.into_iter().map(area)).map_err(failed)?;
            }
        }
        for c in &self.curves {
            draw_line(chart, self.points(&c.samples, &c.train).collect(), curve(&c.label), theme::CURVE, false)?;
            draw_line(chart, self.points(&c.samples, &c.held_out).collect(), curve(&c.label), theme::CURVE, true)?;
        }
        Ok(())
    }
}

type Point = (f64, f64);

fn draw_line(chart: &mut Chart, points: Vec<Point>, colour: RGBColor, width: f64, dashed: bool) -> Result<()> {
    let range = chart.y_range();
    for piece in pieces(&points, (range.start, range.end)) {
        let piece = thin_line(piece);
        let drawn = match piece.as_slice() {
            [point] => chart.draw_series([Circle::new(*point, quarters(1.6 * width), colour.filled())]),
            _ if dashed => chart.draw_series([dashes(piece, colour, width)]),
            _ => chart.draw_series(LineSeries::new(piece, colour.stroke_width(quarters(width) as u32))),
        };
        drawn.map_err(failed)?;
    }
    Ok(())
}

/// The visible pieces of a curve: broken at values that cannot be drawn, and cut at `low` and `high`, where plotters
/// would draw along the edge. A piece of one point is a value between two gaps.
pub(super) fn pieces(points: &[Point], (low, high): (f64, f64)) -> Vec<Vec<Point>> {
    let mut pieces: Vec<Vec<Point>> = Vec::new();
    for run in points.split(|p| !drawable(p.1)) {
        if let [(_, y)] = run
            && (low..=high).contains(y)
        {
            pieces.push(run.to_vec());
        }
        let mut joined = false;
        for pair in run.windows(2) {
            let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
            let rise = if y1 == y0 { f64::MIN_POSITIVE } else { y1 - y0 };
            let (at_low, at_high) = ((low - y0) / rise, (high - y0) / rise);
            let (enter, leave) = (at_low.min(at_high).max(0.0), at_low.max(at_high).min(1.0));
            let at = |t: f64| (x0 + t * (x1 - x0), (y0 + t * (y1 - y0)).clamp(low, high));
            match pieces.last_mut() {
                _ if enter > leave => {}
                Some(piece) if joined => piece.push(at(leave)),
                _ => pieces.push(vec![at(enter), at(leave)]),
            }
            joined = enter <= leave && leave == 1.0;
        }
    }
    pieces
}

/// The outline of a band, one polygon per stretch without gaps; plotters keeps it in the chart.
fn bands(ends: Vec<(Point, Point)>) -> Vec<Vec<Point>> {
    let runs = ends.split(|(low, high)| !(drawable(low.1) && drawable(high.1)));
    let outline = |run: &[(Point, Point)]| {
        let (low, high): (Vec<_>, Vec<_>) = run.iter().copied().unzip();
        thin_line(low).into_iter().chain(thin_line(high).into_iter().rev()).collect()
    };
    runs.filter(|run| run.len() > 1).map(outline).collect()
}

/// The range that holds all but stray values: a share of `stray` of the curve's drawn length may fall out at either end,
/// where it would stretch the range by more than a quarter. Values that are twenty times as far out as 90 % of all are
/// not counted: on a logarithmic axis two wild points at the start can be a long stretch.
pub(super) fn core_range(points: impl Iterator<Item = Point>, stray: f64) -> Option<(f64, f64)> {
    let points: Vec<Point> = points.filter(|point| drawable(point.1)).collect();
    let weight = |i: usize| points[(i + 1).min(points.len() - 1)].0 - points[i.saturating_sub(1)].0;
    let mut weighted: Vec<_> = points.iter().enumerate().map(|(i, point)| (point.1, weight(i).max(1e-9))).collect();
    weighted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let few = weighted.len() / 20;
    let (low, high) = (weighted.get(few)?.0, weighted.get(weighted.len() - 1 - few)?.0);
    let far = 20.0 * (high - low);
    weighted.retain(|w| (low - far..=high + far).contains(&w.0));
    let total: f64 = weighted.iter().map(|w| w.1).sum();
    let quantile = |share: f64| {
        let mut sum = 0.0;
        weighted.iter().find(|w| {
            sum += w.1;
            sum >= share * total
        })
    };
    let (low, high) = (quantile(stray)?.0, quantile(1.0 - stray)?.0);
    let slack = 0.25 * (high - low);
    Some((weighted.first()?.0.max(low - slack), weighted.last()?.0.min(high + slack)))
}
