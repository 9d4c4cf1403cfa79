//! Panels of learning curves that share a legend; one panel is a figure by itself.

use std::collections::BTreeSet;

use plotters::style::RGBColor;
use serde_json::json;

use super::axis::{Axis, Frame};
use super::curves::LearningCurves;
use super::figure::{Figure, Heading, headed};
use super::legend::{Key, Legend, ROW};
use super::scene::Scene;
use super::theme;
use crate::Result;
use crate::runs::provenance::Provenance;

impl LearningCurves {
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

    fn alone(mut self) -> Panels {
        let own = Heading::new(self.heading.id.clone());
        Panels { heading: std::mem::replace(&mut self.heading, own), columns: 1, panels: vec![self] }
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
        let scale = |logarithms| if logarithms { "logarithmic" } else { "linear" };
        let data = json!({"kind": "learning curves", "panels": self.panels.iter().map(|p| json!({
            "title": p.heading.title, "x": p.x_label, "x_scale": scale(!p.linear_x), "y": p.y_label, "y_scale": scale(p.log_y),
            "curves": p.curves, "references": p.references,
        })).collect::<Vec<_>>()});
        self.heading.render(scene, provenance, data)
    }

    fn scene(&self) -> Result<Scene> {
        const SIDE: f64 = 12.0;
        const GAP: f64 = 18.0;
        const BELOW: f64 = 38.0;
        if self.panels.is_empty() || self.columns == 0 {
            return Err(self.heading.error("there is no panel to draw"));
        }
        self.panels.iter().try_for_each(LearningCurves::check)?;
        let mut scene = self.heading.scene()?;
        // One title of the vertical axis serves a row, unless the panels differ.
        let alike = self.panels.iter().all(|p| p.y_label == self.panels[0].y_label);
        let (y_title_width, first) = (if alike { 0.0 } else { 22.0 }, SIDE + 22.0);
        let labels_of =
            |axes: &[(Axis, Axis)]| axes.iter().map(|(_, y)| y.label_width(&scene)).fold(0.0, f64::max).min(120.0);
        let layout = |columns: usize| {
            let (width, height) = match columns {
                1 => (560.0, 330.0),
                2 => (350.0, 250.0),
                _ => (250.0, 210.0),
            };
            let axes: Vec<_> = self.panels.iter().map(|panel| panel.axes((width, height))).collect();
            (columns, width, height, axes)
        };
        let beside = |labels: f64| labels + GAP + y_title_width;
        let wide = |(columns, width, _, axes): &(usize, f64, f64, Vec<_>)| {
            first + *columns as f64 * (beside(labels_of(axes)) + width) + SIDE
        };
        // As many columns as a page has room for, and there one panel as wide as it.
        let most = self.columns.min(self.panels.len());
        let fitting = (1..=most).rev().map(layout).find(|layout| wide(layout) <= scene.room());
        let (columns, width, height, axes) = fitting.unwrap_or_else(|| {
            let (columns, width, _, axes) = layout(1);
            let width = (scene.room() - wide(&(columns, 0.0, 0.0, axes))).clamp(160.0, width);
            let height = (0.7 * width).clamp(160.0, 330.0);
            (columns, width, height, self.panels.iter().map(|panel| panel.axes((width, height))).collect())
        });
        let labels = labels_of(&axes);
        let colours = Colours::new(&self.panels);
        let legend = colours.legend(&self.panels);
        let (legend_width, cell) = (legend.width(&scene), beside(labels) + width);
        scene.width = (first + columns as f64 * cell + SIDE).max(legend_width + 2.0 * SIDE);
        let top = self.heading.draw_title(&mut scene);
        let title_height = if self.panels.iter().any(|p| !p.heading.title.is_empty()) { 20.0 } else { 2.0 };
        let row_height = title_height + height + BELOW + 8.0;
        for (index, (panel, (x, y))) in self.panels.iter().zip(axes).enumerate() {
            let (row, column) = (index / columns, index % columns);
            let left = first + column as f64 * cell + labels;
            let top = top + row as f64 * row_height;
            scene.title(&panel.heading.title, (left + 0.5 * width, top + 8.0), theme::LABEL, width + 24.0);
            let y_title = match column {
                0 => (panel.y_label.as_str(), left - SIDE),
                _ if alike => ("", labels),
                _ => (panel.y_label.as_str(), labels + y_title_width),
            };
            let (top, x_title) = (top + title_height, (panel.x_label.as_str(), BELOW));
            let mut chart = Frame { left, top, width, height, x, y, x_title, y_title }.chart(&mut scene)?;
            panel.draw(&mut chart, |label, reference| colours.of(label, reference))?;
        }
        let rows = self.panels.len().div_ceil(columns);
        let bottom = top + rows as f64 * row_height;
        // The empty place after the last panel holds the legend where there is one.
        let hole = first + (self.panels.len() - (rows - 1) * columns) as f64 * cell + 0.5 * labels;
        let (hole_width, column_height) = (scene.width - SIDE - hole, ROW * legend.0.len() as f64);
        if legend_width < hole_width && column_height < height {
            let top = bottom - row_height + title_height + 0.5 * (height - column_height);
            legend.draw(&mut scene, hole + (0.5 * (hole_width - legend_width)).min(40.0), top, 0.0)?;
            scene.height = bottom + 6.0;
        } else {
            let width = scene.width - 2.0 * SIDE;
            scene.height = legend.draw(&mut scene, SIDE, bottom + 2.0, width)? + 8.0;
        }
        Ok(scene)
    }
}

/// Labels in order of first appearance, which gives their colours.
pub(super) struct Colours {
    curves: Vec<String>,
    references: Vec<String>,
}

impl Colours {
    pub(super) fn new(panels: &[LearningCurves]) -> Self {
        let (mut curves, mut references) = (Vec::new(), Vec::new());
        for panel in panels {
            curves.extend(panel.curves.iter().map(|c| c.label.clone()));
            references.extend(panel.references.iter().map(|r| r.label.clone()));
        }
        for labels in [&mut curves, &mut references] {
            let mut seen = BTreeSet::new();
            labels.retain(|label| seen.insert(label.clone()));
        }
        Self { curves, references }
    }

    pub(super) fn of(&self, label: &str, reference: bool) -> RGBColor {
        let place = |labels: &[String]| labels.iter().position(|l| l == label).unwrap_or(0);
        if reference {
            theme::reference_colour(place(&self.references))
        } else {
            theme::line_colour(place(&self.curves))
        }
    }

    pub(super) fn legend(&self, panels: &[LearningCurves]) -> Legend {
        let line = |label: &str, colour, width, dashed| (Key::Line { colour, width, dashed }, label.to_owned());
        let named = self.curves.iter().filter(|label| !label.is_empty());
        let mut entries: Vec<_> =
            named.map(|label| line(label, self.of(label, false), theme::CURVE + 0.75, false)).collect();
        let curves = || panels.iter().flat_map(|p| p.curves.iter());
        let references = || panels.iter().flat_map(|p| p.references.iter());
        let solid = panels.first().map_or("train", |p| p.train_label.as_str());
        if !solid.is_empty() && (curves().any(|c| !c.train.is_empty()) || references().any(|r| !r.dashed)) {
            entries.push(line(solid, theme::INK, theme::CURVE, false));
        }
        if curves().any(|c| !c.held_out.is_empty()) || references().any(|r| r.dashed) {
            let label = panels.first().map_or("held out", |p| p.held_out_label.as_str());
            if !label.is_empty() {
                entries.push(line(label, theme::INK, theme::CURVE, true));
            }
        }
        entries.extend(self.references.iter().map(|label| {
            let all_dashed = references().filter(|r| r.label == *label).all(|r| r.dashed);
            line(label, self.of(label, true), theme::REFERENCE + 0.5, all_dashed)
        }));
        Legend(entries)
    }
}
