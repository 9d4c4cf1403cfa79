//! Learning curves: one panel, or several that share a legend.

use plotters::style::RGBColor;
use serde::Serialize;
use serde_json::json;

use super::axis::{Axis, Frame, drawable};
use super::figure::{Figure, Heading, headed};
use super::legend::{self, Entry, Key};
use super::polyline::{bands, core_range, pieces};
use super::scene::Scene;
use super::theme;
use crate::runs::provenance::Provenance;
use crate::{Error, Result};

/// The curves of one run, or the means over several seeds. NaN and infinities are gaps.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Curve {
    /// Its name in the legend; curves of the same name have the same colour in all panels.
    pub label: String,
    /// Training samples seen at each point, increasing and positive.
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

/// A panel of learning curves over the number of training samples, and a figure by itself.
#[derive(Clone, Debug)]
pub struct LearningCurves {
    heading: Heading,
    x_label: String,
    y_label: String,
    held_out_label: String,
    log_x: bool,
    x_range: Option<(f64, f64)>,
    y_range: Option<(f64, f64)>,
    curves: Vec<Curve>,
    references: Vec<Reference>,
}

impl LearningCurves {
    /// An empty panel; as a figure, its files are named `id`.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            heading: Heading::new(id),
            x_label: "training samples seen".into(),
            y_label: "lower bound (nats per datapoint)".into(),
            held_out_label: "held out".into(),
            log_x: true,
            x_range: None,
            y_range: None,
            curves: Vec::new(),
            references: Vec::new(),
        }
    }

    headed!();

    /// Title of the horizontal axis.
    pub fn x_label(mut self, label: impl Into<String>) -> Self {
        self.x_label = label.into();
        self
    }

    /// Title of the vertical axis.
    pub fn y_label(mut self, label: impl Into<String>) -> Self {
        self.y_label = label.into();
        self
    }

    /// What the dashed curves are called in the legend ("held out" unless said otherwise).
    pub fn held_out_label(mut self, label: impl Into<String>) -> Self {
        self.held_out_label = label.into();
        self
    }

    /// A linear horizontal axis instead of a logarithmic one.
    pub fn linear_x(mut self) -> Self {
        self.log_x = false;
        self
    }

    /// The range of the horizontal axis, which must hold all samples and not be empty.
    pub(crate) fn x_range(mut self, low: f64, high: f64) -> Self {
        self.x_range = Some((low, high));
        self
    }

    /// The range of the vertical axis; by default it holds all but stray values.
    pub fn y_range(mut self, low: f64, high: f64) -> Self {
        self.y_range = Some((low, high));
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

    /// Draws the panel as a figure.
    ///
    /// # Errors
    /// If there is nothing to draw, lengths differ, or samples are not positive and increasing.
    pub fn figure(self, provenance: Provenance) -> Result<Figure> {
        self.alone().figure(provenance)
    }

    /// Only the drawing, to which more may be added.
    pub(crate) fn scene(self) -> Result<Scene> {
        self.alone().scene()
    }

    fn alone(self) -> Panels {
        let heading = self.heading.clone();
        let panel = Self { heading: Heading::new(heading.id.clone()), ..self };
        Panels { heading, columns: 1, panels: vec![panel] }
    }

    /// Samples and values of every line in the panel.
    fn series(&self) -> impl Iterator<Item = (&[f64], &[f64])> {
        let curves = self.curves.iter().flat_map(|c| {
            [&c.train, &c.held_out].into_iter().filter(|v| !v.is_empty()).map(|v| (c.samples.as_slice(), v.as_slice()))
        });
        curves.chain(self.references.iter().map(|r| (r.samples.as_slice(), r.values.as_slice())))
    }

    fn check(&self) -> Result<()> {
        let length = |what, label: &str, expected: usize, found: usize| {
            let shape = |n| format!("{n} values (curve {label:?})");
            let wrong = || Error::Shape { what, expected: shape(expected), found: shape(found) };
            if expected == found { Ok(()) } else { Err(wrong()) }
        };
        for c in &self.curves {
            let n = c.samples.len();
            for (what, values) in [("training values", &c.train), ("held-out values", &c.held_out)] {
                if !values.is_empty() {
                    length(what, &c.label, n, values.len())?;
                }
            }
            for band in [&c.train_band, &c.held_out_band].into_iter().flatten() {
                length("band", &c.label, n, band.len())?;
            }
        }
        for r in &self.references {
            length("reference values", &r.label, r.samples.len(), r.values.len())?;
        }
        for (samples, _) in self.series() {
            let positive = samples.iter().all(|&s| drawable(s) && (s > 0.0 || !self.log_x));
            if !positive || !samples.is_sorted() {
                return Err(self.heading.error("numbers of samples must be finite, positive and in increasing order"));
            }
        }
        if !self.series().any(|(_, values)| values.iter().any(|&v| drawable(v))) {
            return Err(self.heading.error("there is no finite value to draw; add a curve"));
        }
        match self.y_range {
            Some((low, high)) if !(drawable(low) && drawable(high) && low < high) => {
                Err(self.heading.error(format!("the y range {low} to {high} is empty")))
            }
            _ => Ok(()),
        }
    }

    fn axes(&self) -> (Axis, Axis) {
        let fold = |range: (f64, f64), v: f64| (range.0.min(v), range.1.max(v));
        let nothing = (f64::INFINITY, f64::NEG_INFINITY);
        let seen = self.series().flat_map(|(s, v)| s.iter().zip(v).filter(|(_, v)| drawable(**v)).map(|(s, _)| *s));
        let (low, high) = self.x_range.unwrap_or_else(|| seen.fold(nothing, fold));
        let x = if self.log_x { Axis::log(low, high) } else { Axis::padded(low, high, 0.0) };
        if let Some((low, high)) = self.y_range {
            return (x, Axis::linear(low, high));
        }
        // Others' curves may fall further out of view, so that they do not squeeze those shown.
        let own = self.series().count() - self.references.len();
        let ranges = self.series().enumerate().filter_map(|(index, (samples, values))| {
            let positions: Vec<f64> = samples.iter().map(|&s| x.position(s)).collect();
            core_range(&positions, values, if index >= own && own > 0 { 0.15 } else { 0.05 })
        });
        let (low, high) = ranges.fold(nothing, |range, (low, high)| fold(fold(range, low), high));
        (x, Axis::padded(low, high, 0.04))
    }

    fn draw(&self, scene: &mut Scene, frame: &Frame, style: &Styles) {
        frame.draw_x(scene);
        frame.draw_y(scene);
        for r in &self.references {
            let colour = style.reference(&r.label);
            draw_line(scene, frame, &r.samples, &r.values, colour, theme::REFERENCE, r.dashed);
        }
        for c in &self.curves {
            let colour = style.curve(&c.label);
            for band in [&c.train_band, &c.held_out_band].into_iter().flatten() {
                for outline in bands(frame, &c.samples, band) {
                    scene.area(outline, colour, 0.2);
                }
            }
        }
        for c in &self.curves {
            let colour = style.curve(&c.label);
            draw_line(scene, frame, &c.samples, &c.train, colour, theme::CURVE, false);
            draw_line(scene, frame, &c.samples, &c.held_out, colour, theme::CURVE, true);
        }
    }
}

fn draw_line(scene: &mut Scene, frame: &Frame, x: &[f64], y: &[f64], colour: RGBColor, width: f64, dashed: bool) {
    for piece in pieces(frame, x, y) {
        match piece.as_slice() {
            [point] => scene.dot(*point, 1.6 * width, colour),
            _ if dashed => scene.dashed(&piece, colour, width),
            _ => scene.line(piece, colour, width),
        }
    }
}

/// Colours by label, in order of first appearance.
struct Styles {
    curves: Vec<String>,
    references: Vec<String>,
}

impl Styles {
    fn new(panels: &[LearningCurves]) -> Self {
        let mut styles = Self { curves: Vec::new(), references: Vec::new() };
        let add = |to: &mut Vec<String>, label: &str| {
            if !to.iter().any(|l| l == label) {
                to.push(label.to_owned());
            }
        };
        for panel in panels {
            panel.curves.iter().for_each(|c| add(&mut styles.curves, &c.label));
            panel.references.iter().for_each(|r| add(&mut styles.references, &r.label));
        }
        styles
    }

    fn curve(&self, label: &str) -> RGBColor {
        theme::line_colour(self.curves.iter().position(|l| l == label).unwrap_or(0))
    }

    fn reference(&self, label: &str) -> RGBColor {
        let index = self.references.iter().position(|l| l == label).unwrap_or(0);
        theme::REFERENCES[index % theme::REFERENCES.len()]
    }

    fn legend(&self, panels: &[LearningCurves]) -> Vec<Entry> {
        let line = |label: &str, colour, width, dashed| Entry {
            key: Key::Line { colour, width, dashed },
            label: label.to_owned(),
        };
        let mut entries: Vec<Entry> = self
            .curves
            .iter()
            .filter(|label| !label.is_empty())
            .map(|label| line(label, self.curve(label), theme::CURVE + 0.75, false))
            .collect();
        let curves = || panels.iter().flat_map(|p| p.curves.iter());
        let references = || panels.iter().flat_map(|p| p.references.iter());
        if curves().any(|c| !c.train.is_empty()) || references().any(|r| !r.dashed) {
            entries.push(line("train", theme::INK, theme::CURVE, false));
        }
        if curves().any(|c| !c.held_out.is_empty()) || references().any(|r| r.dashed) {
            let label = panels.first().map_or("held out", |p| p.held_out_label.as_str());
            entries.push(line(label, theme::INK, theme::CURVE, true));
        }
        entries.extend(self.references.iter().map(|label| {
            let all_dashed = references().filter(|r| r.label == *label).all(|r| r.dashed);
            line(label, self.reference(label), theme::REFERENCE + 0.5, all_dashed)
        }));
        entries
    }
}

/// Several panels of learning curves with one legend, row by row.
#[derive(Clone, Debug)]
pub struct Panels {
    heading: Heading,
    columns: usize,
    panels: Vec<LearningCurves>,
}

impl Panels {
    /// No panels yet; the files are named `id`.
    pub fn new(id: impl Into<String>) -> Self {
        Self { heading: Heading::new(id), columns: 3, panels: Vec::new() }
    }

    headed!();

    /// Panels in a row, 3 unless said otherwise.
    pub fn columns(mut self, columns: usize) -> Self {
        self.columns = columns;
        self
    }

    /// Adds a panel; its title stands above it.
    pub fn panel(mut self, panel: LearningCurves) -> Self {
        self.panels.push(panel);
        self
    }

    /// Draws the panels.
    ///
    /// # Errors
    /// If there is no panel, or one cannot be drawn (see [`LearningCurves::figure`]).
    pub fn figure(self, provenance: Provenance) -> Result<Figure> {
        let scene = self.scene()?;
        let data = json!({"kind": "learning curves", "panels": self.panels.iter().map(|p| json!({
            "title": p.heading.title, "x": p.x_label, "y": p.y_label,
            "curves": p.curves, "references": p.references,
        })).collect::<Vec<_>>()});
        self.heading.render(scene, provenance, data)
    }

    fn scene(&self) -> Result<Scene> {
        const SIDE: f64 = 14.0;
        const Y_TITLE: f64 = 20.0;
        const GAP: f64 = 16.0;
        if self.panels.is_empty() || self.columns == 0 {
            return Err(self.heading.error("there is no panel to draw"));
        }
        self.panels.iter().try_for_each(LearningCurves::check)?;
        let columns = self.columns.min(self.panels.len());
        let (plot_width, plot_height) = match columns {
            1 => (560.0, 330.0),
            2 => (350.0, 250.0),
            _ => (250.0, 210.0),
        };
        let mut scene = Scene::new(1.0, 1.0)?;
        let axes: Vec<(Axis, Axis)> = self.panels.iter().map(LearningCurves::axes).collect();
        let tick_width =
            axes.iter().map(|(_, y)| Frame::y_label_width(&scene, y, plot_height)).fold(0.0, f64::max).min(120.0);
        let cell = tick_width + plot_width + GAP;
        let styles = Styles::new(&self.panels);
        let entries = styles.legend(&self.panels);
        let legend_width = legend::column_width(&scene, &entries);
        scene.width = (2.0 * SIDE + Y_TITLE + columns as f64 * cell).max(legend_width + 2.0 * SIDE);
        let top = self.heading.draw_title(&mut scene);
        let title_height = if self.panels.iter().any(|p| !p.heading.title.is_empty()) { 20.0 } else { 2.0 };
        let row_height = title_height + plot_height + 46.0;
        for (index, (panel, (x, y))) in self.panels.iter().zip(axes).enumerate() {
            let (row, column) = (index / columns, index % columns);
            let left = SIDE + Y_TITLE + column as f64 * cell + tick_width;
            let row_top = top + row as f64 * row_height;
            let frame = Frame { left, top: row_top + title_height, width: plot_width, height: plot_height, x, y };
            panel.draw(&mut scene, &frame, &styles);
            let middle = left + 0.5 * plot_width;
            let at = (middle, row_top + 8.0);
            scene.title(&panel.heading.title, at, theme::LABEL, plot_width + 24.0);
            scene.title(&panel.x_label, (middle, frame.bottom() + 30.0), theme::LABEL, plot_width + 24.0);
            if column == 0 {
                let at = (SIDE + 4.0, frame.top + 0.5 * plot_height);
                scene.upward(&panel.y_label, at, theme::LABEL, plot_height + 16.0);
            }
        }
        let rows = self.panels.len().div_ceil(columns);
        let bottom = top + rows as f64 * row_height;
        // The empty place after the last panel holds the legend where there is one.
        let used = self.panels.len() - (rows - 1) * columns;
        let hole = SIDE + Y_TITLE + used as f64 * cell + 0.5 * tick_width;
        let hole_width = scene.width - SIDE - hole;
        if used < columns && legend_width < hole_width && legend::column_height(&entries) < plot_height {
            let middle = bottom - row_height + title_height + 0.5 * plot_height;
            let left = hole + (0.5 * (hole_width - legend_width)).min(40.0);
            legend::draw_column(&mut scene, &entries, left, middle);
            scene.height = bottom + 6.0;
        } else {
            let width = scene.width - 2.0 * SIDE;
            legend::draw(&mut scene, &entries, SIDE, bottom + 4.0, width);
            scene.height = bottom + 4.0 + legend::height(&scene, &entries, width) + 8.0;
        }
        Ok(scene)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn curve(values: &[f64]) -> Curve {
        let samples = (0..values.len()).map(|i| 1e4 * (i + 1) as f64).collect();
        Curve::new("a", samples, values.to_vec(), Vec::new())
    }

    #[test]
    fn wrong_input_is_a_typed_error() {
        let draw = |c: LearningCurves| c.figure(Provenance::default());
        let short = Curve { train: vec![1.0], ..curve(&[1.0, 2.0]) };
        assert!(matches!(draw(LearningCurves::new("a")), Err(Error::Figure { .. })));
        assert!(matches!(draw(LearningCurves::new("a").curve(short)), Err(Error::Shape { .. })));
        assert!(matches!(draw(LearningCurves::new("a").curve(curve(&[f64::NAN]))), Err(Error::Figure { .. })));
        for samples in [vec![0.0, 1.0], vec![2.0, 1.0], vec![1.0, f64::NAN]] {
            let c = Curve { samples, ..curve(&[1.0, 2.0]) };
            assert!(matches!(draw(LearningCurves::new("a").curve(c)), Err(Error::Figure { .. })));
        }
        let flat = LearningCurves::new("a").curve(curve(&[1.0])).y_range(1.0, 1.0);
        assert!(matches!(draw(flat), Err(Error::Figure { .. })));
        assert!(Panels::new("a").figure(Provenance::default()).is_err());
    }

    #[test]
    fn a_label_has_one_colour_in_all_panels_and_one_legend_entry() {
        let named = |l: &str| Curve { label: l.into(), ..curve(&[1.0, 2.0]) };
        let panel = |a: &str, b: &str| LearningCurves::new("p").curve(named(a)).curve(named(b));
        let panels = [panel("x", "y"), panel("y", "z")];
        let styles = Styles::new(&panels);
        assert_eq!(styles.curves, ["x", "y", "z"]);
        let labels: Vec<_> = styles.legend(&panels).into_iter().map(|e| e.label).collect();
        assert_eq!(labels, ["x", "y", "z", "train"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn any_values_draw_or_say_why_not(
            values in prop::collection::vec(
                prop_oneof![-200.0..-90.0f64, Just(-100.0), proptest::num::f64::ANY, Just(1e-300)], 1..8)
        ) {
            let finite = values.iter().any(|&v| drawable(v));
            let band = values.iter().map(|v| (v - 1.0, v + 1.0)).collect();
            let c = Curve { held_out: values.clone(), train_band: Some(band), ..curve(&values) };
            let figure = LearningCurves::new("a").curve(c).figure(Provenance::default());
            prop_assert_eq!(figure.is_ok(), finite);
        }
    }
}
