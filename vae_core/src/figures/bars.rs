//! Grouped bars with error bars.

use serde::Serialize;
use serde_json::json;

use super::axis::{Axis, Frame, drawable};
use super::figure::{Figure, Heading, headed};
use super::legend::{self, Entry, Key};
use super::scene::Scene;
use super::text::Anchor;
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
#[derive(Clone, Debug)]
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
        Self {
            heading: Heading::new(id),
            x_label: String::new(),
            y_label: String::new(),
            groups: Vec::new(),
            decimals: None,
            series: Vec::new(),
            references: Vec::new(),
        }
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
            let wrong = |found| {
                let shape = |n| format!("{n} (series {:?})", s.label);
                Err(Error::Shape { what: "values, one per group", expected: shape(n), found: shape(found) })
            };
            if s.values.len() != n {
                return wrong(s.values.len());
            }
            match &s.errors {
                Some(errors) if errors.len() != n => return wrong(errors.len()),
                Some(errors) if errors.iter().any(|&e| e < 0.0) => {
                    return Err(self.heading.error(format!("series {:?} has a negative error bar", s.label)));
                }
                _ => {}
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

    fn label(&self, value: f64) -> String {
        match self.decimals {
            Some(decimals) if value.abs() < 1e9 => theme::fixed(value, decimals),
            _ => theme::number(value, 3),
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
        Axis::linear(if low < 0.0 { low - room } else { low }, if high > 0.0 { high + room } else { high })
    }

    /// Draws the bars.
    ///
    /// # Errors
    /// If there are no groups or series, numbers of values differ, no value is finite, or an error bar is negative.
    pub fn figure(self, provenance: Provenance) -> Result<Figure> {
        const SIDE: f64 = 14.0;
        const WIDEST: f64 = 860.0;
        const HEIGHT: f64 = 270.0;
        self.check()?;
        let mut scene = Scene::new(1.0, 1.0)?;
        let labels = self.series.iter().flat_map(|s| &s.values).filter(|&&v| drawable(v)).map(|&v| self.label(v));
        let label_width = labels.map(|l| scene.face.width(&l, theme::NOTE)).fold(0.0, f64::max);
        let (groups, bars) = (self.groups.len() as f64, self.series.len() as f64);
        // Bars wide enough for their values; where these do not fit, narrower ones without values.
        let natural = (label_width + 4.0).max(22.0);
        let between = |bar: f64| (0.8 * bar).max(1.0);
        let printed = groups * (bars * natural + between(natural)) <= WIDEST;
        let bar = if printed { natural } else { (WIDEST / groups / (bars + 0.8)).clamp(1.0, natural) };
        let step = bars * bar + between(bar);
        let group_width = self.groups.iter().map(|l| scene.face.width(l, theme::TICK)).fold(0.0, f64::max) + 10.0;
        let width = (groups * step).max(380.0).max((groups * group_width).min(WIDEST));
        let step = width / groups;
        let bar = if printed { (step / (bars + 0.8)).clamp(bar, 48.0_f64.max(bar)) } else { bar };

        let y = self.y_axis();
        let left = SIDE + 20.0 + Frame::y_label_width(&scene, &y, HEIGHT).min(120.0);
        let entries = self.legend();
        scene.width = (left + width + SIDE + 4.0).max(legend::column_width(&scene, &entries) + 2.0 * SIDE);
        let top = self.heading.draw_title(&mut scene);
        let frame = Frame { left, top, width, height: HEIGHT, x: Axis::linear(0.0, groups), y };
        frame.draw_y(&mut scene);
        for (index, series) in self.series.iter().enumerate() {
            for (group, &value) in series.values.iter().enumerate() {
                let x = left + group as f64 * step + 0.5 * (step - bars * bar) + index as f64 * bar;
                let label = printed.then(|| self.label(value));
                draw_bar(&mut scene, &frame, (x, bar), (value, series.error(group)), index, label);
            }
        }
        let (_, zero) = frame.at(0.0, 0.0);
        scene.line(vec![(left, zero), (frame.right(), zero)], theme::INK, 1.0);
        for (index, (_, value)) in self.references.iter().enumerate() {
            let (_, y) = frame.at(0.0, *value);
            let colour = theme::REFERENCES[index % theme::REFERENCES.len()];
            scene.dashed(&[(left, y), (frame.right(), y)], colour, theme::REFERENCE);
        }
        let middle = |group: usize| left + (group as f64 + 0.5) * step;
        let mut bottom = frame.bottom() + 21.0;
        if step >= 40.0 {
            for (group, label) in self.groups.iter().enumerate() {
                let top = (middle(group), frame.bottom() + 6.5);
                bottom = bottom.max(scene.paragraph(label, top, step - 6.0, theme::TICK, theme::INK));
            }
        } else {
            for group in labelled(&scene, &self.groups, step) {
                let at = (middle(group), frame.bottom() + 12.0);
                scene.text(&self.groups[group], at, theme::TICK, theme::INK, Anchor::Middle);
            }
        }
        let at = (left + 0.5 * width, bottom + 10.0);
        scene.title(&self.x_label, at, theme::LABEL, width + 24.0);
        scene.upward(&self.y_label, (SIDE + 4.0, top + 0.5 * HEIGHT), theme::LABEL, HEIGHT);
        let (legend_top, legend_width) = (bottom + 23.0, scene.width - 2.0 * SIDE);
        legend::draw(&mut scene, &entries, SIDE, legend_top, legend_width);
        scene.height = legend_top + legend::height(&scene, &entries, legend_width) + 6.0;
        let references: Vec<_> = self.references.iter().map(|(l, v)| json!({"label": l, "value": v})).collect();
        let data = json!({
            "kind": "bars", "x": self.x_label, "y": self.y_label, "groups": self.groups, "series": self.series,
            "references": references,
        });
        self.heading.render(scene, provenance, data)
    }

    fn legend(&self) -> Vec<Entry> {
        let named = self.series.iter().enumerate().filter(|(_, s)| !s.label.is_empty());
        let bars =
            named.map(|(i, s)| Entry { key: Key::Box { colour: theme::line_colour(i) }, label: s.label.clone() });
        let lines = self.references.iter().enumerate().map(|(i, (label, _))| {
            let colour = theme::REFERENCES[i % theme::REFERENCES.len()];
            Entry { key: Key::Line { colour, width: theme::REFERENCE, dashed: true }, label: label.clone() }
        });
        bars.chain(lines).collect()
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

/// The groups whose labels are written: all if they fit, else those at a round stride.
fn labelled(scene: &Scene, groups: &[String], step: f64) -> Vec<usize> {
    let widest = groups.iter().map(|l| scene.face.width(l, theme::TICK)).fold(0.0, f64::max);
    let needed = ((widest + 5.0) / step).ceil() as u64;
    if needed <= 1 {
        return (0..groups.len()).collect();
    }
    let stride = (0..18).flat_map(|d| [1, 2, 5].map(|k| k * 10u64.pow(d))).find(|&s| s >= needed).unwrap_or(needed);
    // Whole numbers are written where they are round, other labels from the first on.
    let numbers: Option<Vec<u64>> = groups.iter().map(|l| l.parse().ok()).collect();
    let place = |group: usize| numbers.as_ref().map_or(group as u64, |n| n[group]);
    let written: Vec<usize> = (0..groups.len()).filter(|&g| place(g).is_multiple_of(stride)).collect();
    let apart = written.windows(2).all(|w| (w[1] - w[0]) as u64 >= needed);
    if apart && !written.is_empty() { written } else { (0..groups.len()).step_by(stride as usize).collect() }
}

fn draw_bar(
    scene: &mut Scene,
    frame: &Frame,
    (x, width): (f64, f64),
    (value, error): (f64, f64),
    index: usize,
    label: Option<String>,
) {
    let middle = x + 0.5 * width;
    let y_of = |v: f64| frame.at(0.0, v).1;
    if !drawable(value) {
        if label.is_some() {
            scene.text("–", (middle, y_of(0.0) - 9.0), theme::LABEL, theme::INK, Anchor::Middle);
        }
        return;
    }
    let (top, bottom) = (y_of(value.max(0.0)), y_of(value.min(0.0)));
    let gap = if width > 6.0 { 1.0 } else { 0.0 };
    scene.rect([x + 0.5 * gap, top, width - gap, bottom - top], theme::line_colour(index));
    if error > 0.0 {
        let (high, low) = (y_of(value + error), y_of(value - error));
        let cap = (0.2 * width).min(4.0);
        scene.line(vec![(middle, high), (middle, low)], theme::INK, 1.0);
        for y in [high, low] {
            scene.line(vec![(middle - cap, y), (middle + cap, y)], theme::INK, 1.0);
        }
    }
    if let Some(label) = label {
        let y = if value < 0.0 { y_of(value - error) + 8.0 } else { y_of(value + error) - 8.0 };
        // A patch of paper, so that no grid line crosses the value.
        let half = 0.5 * scene.face.width(&label, theme::NOTE) + 1.0;
        scene.rect([middle - half, y - 5.0, 2.0 * half, 10.0], theme::PAPER);
        scene.text(label, (middle, y), theme::NOTE, theme::INK, Anchor::Middle);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wrong_input_is_a_typed_error() {
        let draw = |b: Bars| b.figure(Provenance::default());
        let bars = || Bars::new("a").groups("N_{z}", [2, 10]);
        assert!(matches!(draw(Bars::new("a")), Err(Error::Figure { .. })));
        assert!(matches!(draw(bars().series("x", vec![1.0])), Err(Error::Shape { .. })));
        let short = bars().series_with_errors("x", vec![1.0, 2.0], vec![1.0]);
        assert!(matches!(draw(short), Err(Error::Shape { .. })));
        let negative = bars().series_with_errors("x", vec![1.0, 2.0], vec![1.0, -1.0]);
        assert!(matches!(draw(negative), Err(Error::Figure { .. })));
        assert!(matches!(draw(bars().series("x", vec![f64::NAN; 2])), Err(Error::Figure { .. })));
        let reference = bars().series("x", vec![1.0, 2.0]).reference("r", f64::NAN);
        assert!(matches!(draw(reference), Err(Error::Figure { .. })));
    }

    #[test]
    fn long_labels_stay_in_their_places() {
        let long = "a label that is far longer than anybody should make it, and then some words";
        let bars = Bars::new("a").groups(long, [long, "b", "c"]).y_label(long).title(long);
        let bars = bars.series(long.repeat(2), vec![1.0, -2.0, 3.0]).reference(long, 1.0);
        assert!(bars.figure(Provenance::default()).is_ok());
    }

    #[test]
    fn group_labels_stand_at_round_numbers_where_they_do_not_fit() {
        let scene = Scene::new(1.0, 1.0).unwrap();
        let labels = |range: std::ops::Range<u32>| range.map(|i| i.to_string()).collect::<Vec<_>>();
        assert_eq!(labelled(&scene, &labels(0..3), 50.0), [0, 1, 2]);
        assert_eq!(labelled(&scene, &labels(1..31), 2.5), [9, 19, 29]);
        let words: Vec<String> = (0..5).map(|i| format!("w{i}")).collect();
        assert_eq!(labelled(&scene, &words, 12.0), [0, 2, 4]);
    }

    #[test]
    fn many_narrow_bars_go_without_values() {
        let many = Bars::new("a").groups("dimension", 0..200).series("KL", vec![0.5; 200]);
        let figure = many.figure(Provenance::default()).unwrap();
        assert!(!figure.svg.contains(">\n0.500\n<"));
        let few = Bars::new("a").groups("dimension", 0..2).series("KL", vec![0.5; 2]);
        assert!(few.figure(Provenance::default()).unwrap().svg.contains(">\n0.500\n<"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn any_values_draw(
            first in -1e3..1e3f64,
            rest in prop::collection::vec(prop_oneof![Just(0.0), proptest::num::f64::ANY], 0..6),
        ) {
            let values: Vec<f64> = std::iter::once(first).chain(rest).collect();
            let errors = values.iter().map(|v| v.abs()).collect();
            let bars = Bars::new("a").groups("", 0..values.len()).series_with_errors("x", values, errors);
            prop_assert!(bars.reference("r", 1.0).figure(Provenance::default()).is_ok());
        }
    }
}
