//! Grouped bars with error bars. Their whiskers are ours: plotters' `ErrorBar` rings the mean, wider than a short bar.

use plotters::element::{EmptyElement, PathElement, Rectangle, Text};
use plotters::prelude::Color;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use serde::Serialize;
use serde_json::json;

use super::axis::{Axis, Chart, Frame, drawable};
use super::figure::{Figure, Heading, headed};
use super::legend::{Key, Legend};
use super::png::failed;
use super::scene::{Scene, dashes, quarters, style};
use super::text::LINE;
use super::theme;
use crate::runs::provenance::Provenance;
use crate::{Error, Result};

/// Bars of one colour, one in each group. NaN and infinities leave their place empty.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Series {
    label: String,
    values: Vec<f64>,
    errors: Option<Vec<f64>>,
}

/// Groups of bars on a common zero line, with reference lines across.
#[derive(Clone, Debug, Default)]
pub struct Bars {
    heading: Heading,
    x_label: String,
    y_label: String,
    groups: Vec<String>,
    decimals: Option<usize>,
    series: Vec<Series>,
    references: Vec<(String, f64)>,
}

impl Bars {
    /// No bars yet; files are named `id`.
    pub fn new(id: impl Into<String>) -> Self {
        Self { heading: Heading::new(id), ..Self::default() }
    }

    headed!();

    /// Title of the horizontal axis and the labels of the groups, from the left.
    pub fn groups<S: ToString>(mut self, title: impl Into<String>, labels: impl IntoIterator<Item = S>) -> Self {
        self.x_label = title.into();
        self.groups = labels.into_iter().map(|l| l.to_string()).collect();
        self
    }

    /// Title of the vertical axis, with the unit.
    pub fn y_label(mut self, label: impl Into<String>) -> Self {
        self.y_label = label.into();
        self
    }

    /// Decimals of the values above the bars; by default three digits are shown.
    pub fn decimals(mut self, decimals: usize) -> Self {
        self.decimals = Some(decimals);
        self
    }

    /// Adds one bar to each group.
    pub fn series(self, label: impl Into<String>, values: Vec<f64>) -> Self {
        self.add(label.into(), values, None)
    }

    /// Adds one bar to each group, with error bars of ± `errors`, say standard deviations over seeds.
    pub fn series_with_errors(self, label: impl Into<String>, values: Vec<f64>, errors: Vec<f64>) -> Self {
        self.add(label.into(), values, Some(errors))
    }

    fn add(mut self, label: String, values: Vec<f64>, errors: Option<Vec<f64>>) -> Self {
        self.series.push(Series { label, values, errors });
        self
    }

    /// Adds a dashed line across at `value`.
    pub fn reference(mut self, label: impl Into<String>, value: f64) -> Self {
        self.references.push((label.into(), value));
        self
    }

    fn check(&self) -> Result<()> {
        let n = self.groups.len();
        if n == 0 || self.series.is_empty() {
            return Err(self.heading.error("there is nothing to draw; bars need groups and a series"));
        }
        for s in &self.series {
            if let Some(found) = [Some(&s.values), s.errors.as_ref()].into_iter().flatten().find(|v| v.len() != n) {
                let shape = |n| format!("{n} (series {:?})", s.label);
                let (expected, found) = (shape(n), shape(found.len()));
                return Err(Error::Shape { what: "values, one per group", expected, found });
            }
            if s.errors.iter().flatten().any(|&e| e < 0.0) {
                return Err(self.heading.error(format!("series {:?} has a negative error bar", s.label)));
            }
        }
        if !self.series.iter().flat_map(|s| &s.values).any(|&v| drawable(v)) {
            return Err(self.heading.error("there is no finite value to draw"));
        }
        match self.references.iter().find(|(_, value)| !drawable(*value)) {
            Some((label, value)) => Err(self.heading.error(format!("reference {label:?} is {value}"))),
            None => Ok(()),
        }
    }

    fn y_axis(&self) -> Axis {
        let bars = self.series.iter().flat_map(|s| {
            s.values.iter().enumerate().filter(|(_, v)| drawable(**v)).flat_map(|(i, &v)| {
                let e = s.error(i);
                [v - e, v + e]
            })
        });
        let all = bars.chain(self.references.iter().map(|r| r.1));
        let (low, high) = all.fold((0.0f64, 0.0f64), |(l, h), v| (l.min(v), h.max(v)));
        // Room for the values at the ends of the bars.
        let room = 0.08 * (high - low);
        let (low, high) = (if low < 0.0 { low - room } else { low }, if high > 0.0 { high + room } else { high });
        Axis::linear(low, high, 0.0, 9)
    }

    /// Draws the bars.
    ///
    /// # Errors
    /// If there are no groups or series, numbers of values differ, no value is finite, or an error bar is negative.
    pub fn figure(self, provenance: Provenance) -> Result<Figure> {
        const SIDE: f64 = 12.0;
        const WIDEST: f64 = 860.0;
        const NARROW: f64 = 380.0;
        const HEIGHT: f64 = 270.0;
        self.check()?;
        let mut scene = self.heading.scene()?;
        let left = SIDE + 22.0 + self.y_axis().label_width(&scene).min(120.0);
        let room = scene.room() - left - SIDE - 6.0;
        let (widest, narrow) = (WIDEST.min(room), NARROW.min(room));
        let values = self.series.iter().flat_map(|s| &s.values).filter(|&&v| drawable(v));
        let labels: Vec<String> = values.map(|&v| theme::printed(v, self.decimals)).collect();
        let (groups, bars) = (self.groups.len() as f64, self.series.len() as f64);
        // Bars wide enough for their values; where these do not fit, narrower ones without values.
        let natural = (scene.face.widest(&labels, theme::NOTE) + 4.0).max(22.0);
        let between = |bar: f64| (0.8 * bar).max(1.0);
        let printed = groups * (bars * natural + between(natural)) <= widest;
        let bar = if printed { natural } else { (widest / groups / (bars + 0.8)).clamp(1.0, natural) };
        let group_width = scene.face.widest(&self.groups, theme::TICK) + 10.0;
        let width = (groups * (bars * bar + between(bar))).max(narrow).max((groups * group_width).min(widest));
        let step = width / groups;
        let bar = if printed { (step / (bars + 0.8)).clamp(bar, 48.0_f64.max(bar)) } else { bar };

        let names = self.group_labels(&scene, step);
        let lines = names.iter().map(|name| name.lines().count()).max().unwrap_or(1).max(1) as f64;
        let below = 23.0 + LINE * theme::TICK * lines;
        let (x, y) = (Axis::places(names), self.y_axis());
        let legend = self.legend();
        scene.width = (left + width + SIDE + 6.0).max(legend.width(&scene) + 2.0 * SIDE);
        let top = self.heading.draw_title(&mut scene);
        let (x_title, y_title) = ((self.x_label.as_str(), below), (self.y_label.as_str(), left - SIDE));
        let frame = Frame { left, top, width, height: HEIGHT, x, y, x_title, y_title };
        let mut chart = frame.chart(&mut scene)?;
        for (index, series) in self.series.iter().enumerate() {
            for (group, &value) in series.values.iter().enumerate() {
                let x = group as f64 + 0.5 + (index as f64 - 0.5 * bars) * bar / step;
                let label = printed.then(|| theme::printed(value, self.decimals));
                draw_bar(&mut chart, [x, x + bar / step], bar, (value, series.error(group)), index, label)?;
            }
        }
        let across = |value: f64| vec![(0.0, value), (groups, value)];
        chart.draw_series([PathElement::new(across(0.0), theme::INK.stroke_width(4))]).map_err(failed)?;
        for (index, (_, value)) in self.references.iter().enumerate() {
            let line = dashes(across(*value), theme::reference_colour(index), theme::REFERENCE);
            chart.draw_series([line]).map_err(failed)?;
        }
        let (legend_top, legend_width) = (frame.bottom() + below + 4.0, scene.width - 2.0 * SIDE);
        scene.height = legend.draw(&mut scene, SIDE, legend_top, legend_width)? + 6.0;
        let references: Vec<_> = self.references.iter().map(|(l, v)| json!({"label": l, "value": v})).collect();
        let data = json!({
            "kind": "bars", "x": self.x_label, "y": self.y_label, "groups": self.groups, "series": self.series,
            "references": references,
        });
        self.heading.render(scene, provenance, data)
    }

    fn legend(&self) -> Legend {
        let named = self.series.iter().enumerate().filter(|(_, s)| !s.label.is_empty());
        let bars = named.map(|(i, s)| (Key::Box { colour: theme::line_colour(i) }, s.label.clone()));
        let line = |i| Key::Line { colour: theme::reference_colour(i), width: theme::REFERENCE, dashed: true };
        Legend(bars.chain(self.references.iter().enumerate().map(|(i, r)| (line(i), r.0.clone()))).collect())
    }

    /// What is written below each group `step` pixels wide: its label in lines; where they are too narrow for that, only
    /// the labels at a round stride, as far as they fit.
    pub(super) fn group_labels(&self, scene: &Scene, step: f64) -> Vec<String> {
        if step >= 40.0 {
            return self.groups.iter().map(|l| scene.face.wrap(l, theme::TICK, step - 6.0).join("\n")).collect();
        }
        let needed = (scene.face.widest(&self.groups, theme::TICK) + 5.0) / step;
        let stride =
            (0..9).flat_map(|d| [1, 2, 5].map(|k| k * 10u64.pow(d))).find(|&s| s as f64 >= needed).unwrap_or(1);
        let mut free_from = 0.0;
        let written = |(i, label): (usize, &String)| {
            // Whole numbers are written where they are round, other labels from the first on.
            let round = label.parse().unwrap_or(i as u64).is_multiple_of(stride) && i as f64 >= free_from;
            free_from = if round { i as f64 + needed } else { free_from };
            if round { label.clone() } else { String::new() }
        };
        self.groups.iter().enumerate().map(written).collect()
    }
}

impl Series {
    /// The error bar in a group; 0 where there is none.
    fn error(&self, group: usize) -> f64 {
        // one that reaches beyond what can be drawn is left out
        let value = self.values.get(group).copied().unwrap_or(0.0);
        let fits = |e: f64| drawable(value + e) && drawable(value - e);
        self.errors.as_ref().and_then(|e| e.get(group)).copied().filter(|&e| fits(e)).unwrap_or(0.0)
    }
}

fn draw_bar(
    chart: &mut Chart,
    [from, to]: [f64; 2],
    width: f64,
    (value, error): (f64, f64),
    index: usize,
    label: Option<String>,
) -> Result<()> {
    let middle = 0.5 * (from + to);
    let centred = |size, v_pos| style(size, theme::INK).pos(Pos::new(HPos::Center, v_pos));
    if !drawable(value) {
        let dash = Text::new(label.map_or("", |_| "–"), (0, quarters(-9.0)), centred(theme::LABEL, VPos::Center));
        return chart.draw_series([EmptyElement::at((middle, 0.0)) + dash]).map(|_| ()).map_err(failed);
    }
    let mut bar = Rectangle::new([(from, value.max(0.0)), (to, value.min(0.0))], theme::line_colour(index).filled());
    let gap = if width > 6.0 { 2 } else { 0 };
    bar.set_margin(0, 0, gap, gap);
    chart.draw_series([bar]).map_err(failed)?;
    if error > 0.0 {
        let (ends, cap) = ([value - error, value + error], quarters((0.2 * width).min(4.0)));
        let ink = theme::INK.stroke_width(4);
        chart.draw_series([PathElement::new(ends.map(|y| (middle, y)), ink)]).map_err(failed)?;
        let caps = ends.map(|y| EmptyElement::at((middle, y)) + PathElement::new([(-cap, 0), (cap, 0)], ink));
        chart.draw_series(caps).map_err(failed)?;
    }
    if let Some(label) = label {
        let (end, y) = if value < 0.0 { (value - error, 8.0) } else { (value + error, -8.0) };
        // A patch of paper, so that no grid line crosses the value.
        let (half, y) = (quarters(0.5 * width - 1.0), quarters(y));
        let patch = Rectangle::new([(-half, y - 20), (half, y + 20)], theme::PAPER.filled());
        let text = Text::new(label, (0, y), centred(theme::NOTE, VPos::Center));
        chart.draw_series([EmptyElement::at((middle, end)) + patch + text]).map_err(failed)?;
    }
    Ok(())
}
