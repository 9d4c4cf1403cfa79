//! Heatmaps: a table whose cells are coloured and hold their values.

use ndarray::Array2;
use plotters::chart::ChartBuilder;
use plotters::element::{EmptyElement, PathElement, Rectangle, Text};
use plotters::prelude::Color;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use serde_json::json;

use super::axis::{Axis, Chart, Frame, drawable};
use super::figure::{Figure, Heading, headed};
use super::png::failed;
use super::scene::{Scene, quarters, style};
use super::theme;
use crate::runs::provenance::Provenance;
use crate::{Error, Result};

#[derive(Clone, Debug)]
struct Panel {
    title: String,
    values: Array2<f64>,
}

/// One or several tables of values with the same rows and columns, each with a colour scale of its own.
/// Row 0 stands at the top, column 0 at the left. Cells that are NaN or infinite are hatched and hold a dash.
#[derive(Clone, Debug, Default)]
pub struct Heatmap {
    heading: Heading,
    x_label: String,
    y_label: String,
    columns: Vec<String>,
    rows: Vec<String>,
    unit: String,
    decimals: Option<usize>,
    panels: Vec<Panel>,
}

impl Heatmap {
    /// An empty heatmap; files are named `id`.
    pub fn new(id: impl Into<String>) -> Self {
        Self { heading: Heading::new(id), ..Self::default() }
    }

    headed!();

    /// Title of the horizontal axis and the labels of the columns, from the left.
    pub fn columns<S: ToString>(mut self, title: impl Into<String>, labels: impl IntoIterator<Item = S>) -> Self {
        self.x_label = title.into();
        self.columns = labels.into_iter().map(|l| l.to_string()).collect();
        self
    }

    /// Title of the vertical axis and the labels of the rows, from the top.
    pub fn rows<S: ToString>(mut self, title: impl Into<String>, labels: impl IntoIterator<Item = S>) -> Self {
        self.y_label = title.into();
        self.rows = labels.into_iter().map(|l| l.to_string()).collect();
        self
    }

    /// What the values are, written beside the colour bar.
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = unit.into();
        self
    }

    /// Decimals of the printed values; by default three digits are shown.
    pub fn decimals(mut self, decimals: usize) -> Self {
        self.decimals = Some(decimals);
        self
    }

    /// Adds a panel of `values [rows, columns]`.
    pub fn panel(mut self, title: impl Into<String>, values: Array2<f64>) -> Self {
        self.panels.push(Panel { title: title.into(), values });
        self
    }

    fn check(&self) -> Result<()> {
        if self.panels.is_empty() || self.rows.is_empty() || self.columns.is_empty() {
            return Err(self.heading.error("there is nothing to draw; a heatmap needs rows, columns and a panel"));
        }
        let expected = (self.rows.len(), self.columns.len());
        for panel in &self.panels {
            if panel.values.dim() != expected {
                let (expected, found) = (format!("{expected:?}"), format!("{:?}", panel.values.dim()));
                return Err(Error::Shape { what: "heatmap (rows, columns)", expected, found });
            }
            if !panel.values.iter().any(|&v| drawable(v)) {
                return Err(self.heading.error(format!("panel {:?} has no finite value", panel.title)));
            }
        }
        Ok(())
    }

    fn label(&self, value: f64) -> String {
        if drawable(value) { theme::printed(value, self.decimals) } else { "–".to_owned() }
    }

    /// Draws the heatmap.
    ///
    /// # Errors
    /// If there is no panel, row or column, shapes differ, or a panel has no finite value.
    pub fn figure(self, provenance: Provenance) -> Result<Figure> {
        const SIDE: f64 = 12.0;
        const CELL: f64 = 30.0;
        const BELOW: f64 = 38.0;
        self.check()?;
        let mut scene = self.heading.scene()?;
        let cut = |labels: &[String]| -> Vec<String> {
            labels.iter().map(|label| scene.face.cut(label, theme::TICK, theme::LONGEST)).collect()
        };
        let (rows, columns) = (cut(&self.rows), cut(&self.columns));
        let inside: Vec<String> = self.panels.iter().flat_map(|p| p.values.iter()).map(|&v| self.label(v)).collect();
        let cell_width = (scene.face.widest(&inside, theme::TICK) + 10.0)
            .max(scene.face.widest(&columns, theme::TICK) + 8.0)
            .max(36.0)
            .ceil();
        let (width, height) = (cell_width * self.columns.len() as f64, CELL * self.rows.len() as f64);
        let bar_height = height.max(90.0);
        let scales: Vec<Axis> = self.panels.iter().map(|p| scale(&p.values, (bar_height / 26.0) as usize)).collect();
        let bar_labels = scales.iter().map(|scale| scale.label_width(&scene)).fold(0.0, f64::max);
        let before = 24.0 + scene.face.widest(&rows, theme::TICK) + 8.0;
        let unit_width = if self.unit.is_empty() { 0.0 } else { 20.0 };
        let panel_width = before + width + 24.0 + bar_labels + unit_width + 14.0;
        let side_by_side = if 2.0 * SIDE + panel_width * self.panels.len() as f64 <= scene.room().min(1064.0) {
            self.panels.len()
        } else {
            1
        };
        scene.width = 2.0 * SIDE + panel_width * side_by_side as f64;
        let top = self.heading.draw_title(&mut scene);
        let title_height = if self.panels.iter().all(|p| p.title.is_empty()) { 4.0 } else { 22.0 };
        let panel_height = title_height + bar_height + 46.0;
        for (index, (panel, scale)) in self.panels.iter().zip(scales).enumerate() {
            let left = (SIDE + (index % side_by_side) as f64 * panel_width + before).round();
            let top = (top + (index / side_by_side) as f64 * panel_height + title_height).round();
            scene.title(&panel.title, (left + 0.5 * width, top - 13.0), theme::LABEL, panel_width - 40.0);
            let (x, y) = (Axis::places(columns.iter().cloned()), Axis::places(rows.iter().rev().cloned()));
            let (x_title, y_title) = ((self.x_label.as_str(), BELOW), (self.y_label.as_str(), before));
            let mut chart = Frame { left, top, width, height, x, y, x_title, y_title }.chart(&mut scene)?;
            for ((row, column), &value) in panel.values.indexed_iter() {
                let place = (column as f64, (self.rows.len() - 1 - row) as f64);
                draw_cell(&mut chart, place, (cell_width, CELL), value, &scale, self.label(value))?;
            }
            let bar = left + width + 12.0;
            draw_bar(&scene, [bar, top, bar_labels, bar_height], scale)?;
            let unit = (bar + 12.0 + bar_labels + 13.0, top + 0.5 * bar_height);
            scene.upward(&self.unit, unit, theme::TICK, panel_height - 10.0);
        }
        let rows = self.panels.len().div_ceil(side_by_side);
        scene.height = top + rows as f64 * panel_height + 2.0;
        let rows_of = |v: &Array2<f64>| v.rows().into_iter().map(|r| r.to_vec()).collect::<Vec<_>>();
        let panels: Vec<_> =
            self.panels.iter().map(|p| json!({"title": p.title, "values": rows_of(&p.values)})).collect();
        let data = json!({
            "kind": "heatmap", "x": self.x_label, "columns": self.columns, "y": self.y_label, "rows": self.rows,
            "unit": self.unit, "panels": panels,
        });
        self.heading.render(scene, provenance, data)
    }
}

fn scale(values: &Array2<f64>, most: usize) -> Axis {
    let finite = values.iter().copied().filter(|&v| drawable(v));
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    Axis::linear(low, high, 0.0, most)
}

/// A cell with its bottom left corner at `(x, y)`; missing values are hatched.
fn draw_cell(
    chart: &mut Chart,
    (x, y): (f64, f64),
    (width, height): (f64, f64),
    value: f64,
    scale: &Axis,
    label: String,
) -> Result<()> {
    let missing = !drawable(value);
    let ground = if missing { theme::MISSING } else { theme::viridis(scale.position(value)) };
    let mut cell = Rectangle::new([(x, y), (x + 1.0, y + 1.0)], ground.filled());
    cell.set_margin(2, 2, 2, 2);
    chart.draw_series([cell]).map_err(failed)?;
    if missing {
        // Diagonals from the bottom left to the top right.
        let steps = (1..((width + height) / 8.0) as i32).map(|step| f64::from(step) * 8.0);
        let lines = steps.map(|d| {
            let (from, to) = ((d.min(width), (d - width).max(0.0)), ((d - height).max(0.0), d.min(height)));
            let at = |(right, up): (f64, f64)| (x + 1.0 - right / width, y + up / height);
            PathElement::new([at(from), at(to)], theme::PAPER.stroke_width(4))
        });
        chart.draw_series(lines).map_err(failed)?;
    }
    let ink = if missing { theme::INK } else { theme::contrasting_ink(ground) };
    let text = Text::new(label, (0, 0), style(theme::TICK, ink).pos(Pos::new(HPos::Center, VPos::Center)));
    chart.draw_series([EmptyElement::at((x + 0.5, y + 0.5)) + text]).map(|_| ()).map_err(failed)
}

/// The colours of a scale, with its labels on the right.
fn draw_bar(scene: &Scene, [left, top, labels, height]: [f64; 4], scale: Axis) -> Result<()> {
    const STRIPS: u32 = 64;
    const WIDTH: f64 = 12.0;
    let area = scene.area().shrink((quarters(left), quarters(top)), (quarters(WIDTH + labels), quarters(height) + 1));
    let mut builder = ChartBuilder::on(&area);
    let builder = builder.right_y_label_area_size(quarters(labels));
    let mut chart = builder.build_cartesian_2d(Axis::places([String::new()]), scale.clone()).map_err(failed)?;
    let (low, high) = (chart.y_range().start, chart.y_range().end);
    let strips = (0..STRIPS).rev().map(|strip| {
        let share = |edge: f64| (f64::from(strip) + edge) / f64::from(STRIPS);
        // Each strip reaches to the bottom, so that no seams show between strips.
        let ends = [(0.0, low), (1.0, low + share(1.0) * (high - low))];
        Rectangle::new(ends, theme::viridis(share(0.5)).filled())
    });
    chart.draw_series(strips).map_err(failed)?;
    let mut mesh = chart.configure_mesh();
    mesh.disable_mesh().set_all_tick_mark_size(quarters(3.0));
    mesh.axis_style(theme::INK.stroke_width(3)).label_style(style(theme::TICK, theme::INK)).draw().map_err(failed)
}
