//! Heatmaps: a table whose cells are coloured and hold their values.

use ndarray::Array2;
use serde_json::json;

use super::axis::{Axis, drawable};
use super::figure::{Figure, Heading, headed};
use super::scene::Scene;
use super::text::Anchor;
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
#[derive(Clone, Debug)]
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
        Self {
            heading: Heading::new(id),
            x_label: String::new(),
            y_label: String::new(),
            columns: Vec::new(),
            rows: Vec::new(),
            unit: String::new(),
            decimals: None,
            panels: Vec::new(),
        }
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

    /// Decimals of the printed values; by default three or four digits are shown.
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
        match self.decimals {
            _ if !drawable(value) => "–".to_owned(),
            Some(decimals) if value.abs() < 1e9 => theme::fixed(value, decimals),
            _ if (0.01..1e6).contains(&value.abs()) => {
                theme::fixed(value, [0, 1, 2, 3][[100.0, 10.0, 1.0].iter().filter(|&&m| value.abs() < m).count()])
            }
            _ => theme::number(value, 2),
        }
    }

    /// Draws the heatmap.
    ///
    /// # Errors
    /// If there is no panel, row or column, shapes differ, or a panel has no finite value.
    pub fn figure(self, provenance: Provenance) -> Result<Figure> {
        const SIDE: f64 = 14.0;
        const BAR: f64 = 12.0;
        self.check()?;
        let mut scene = Scene::new(1.0, 1.0)?;
        let widest = |scene: &Scene, labels: &mut dyn Iterator<Item = String>| {
            labels.map(|l| scene.face.width(&l, theme::TICK)).fold(0.0, f64::max)
        };
        let mut inside = self.panels.iter().flat_map(|p| p.values.iter()).map(|&v| self.label(v));
        let cell_width = (widest(&scene, &mut inside) + 10.0)
            .max(widest(&scene, &mut self.columns.iter().cloned()) + 8.0)
            .clamp(36.0, 160.0)
            .ceil();
        let cell_height = 30.0;
        let (width, height) = (cell_width * self.columns.len() as f64, cell_height * self.rows.len() as f64);
        let bar_height = height.max(90.0);
        let scales: Vec<Axis> = self.panels.iter().map(|p| scale(&p.values)).collect();
        let ticks = |axis: &Axis| axis.ticks((bar_height / 26.0) as usize);
        let bar_labels = widest(&scene, &mut scales.iter().flat_map(|a| ticks(a).into_iter().map(|t| t.label)));
        let row_labels = widest(&scene, &mut self.rows.iter().cloned());
        let unit_width = if self.unit.is_empty() { 0.0 } else { 20.0 };
        let before = 24.0 + row_labels + 8.0;
        let panel_width = before + width + 12.0 + BAR + 6.0 + bar_labels + unit_width + 14.0;
        let side_by_side = if panel_width * self.panels.len() as f64 <= 1040.0 { self.panels.len() } else { 1 };
        scene.width = 2.0 * SIDE + panel_width * side_by_side as f64;
        let top = self.heading.draw_title(&mut scene);
        let title_height = if self.panels.iter().all(|p| p.title.is_empty()) { 4.0 } else { 22.0 };
        let panel_height = title_height + bar_height + 46.0;
        for (index, (panel, scale)) in self.panels.iter().zip(&scales).enumerate() {
            let left = (SIDE + (index % side_by_side) as f64 * panel_width + before).round();
            let top = (top + (index / side_by_side) as f64 * panel_height + title_height).round();
            let middle = left + 0.5 * width;
            scene.title(&panel.title, (middle, top - 13.0), theme::LABEL, panel_width - 40.0);
            for ((row, column), &value) in panel.values.indexed_iter() {
                let at = [left + column as f64 * cell_width, top + row as f64 * cell_height, cell_width, cell_height];
                draw_cell(&mut scene, at, value, scale, &self.label(value));
            }
            for (column, label) in self.columns.iter().enumerate() {
                let x = left + (column as f64 + 0.5) * cell_width;
                scene.line(vec![(x, top + height), (x, top + height + 3.5)], theme::INK, 0.75);
                scene.title(label, (x, top + height + 12.0), theme::TICK, cell_width - 4.0);
            }
            for (row, label) in self.rows.iter().enumerate() {
                let y = top + (row as f64 + 0.5) * cell_height;
                scene.line(vec![(left - 3.5, y), (left, y)], theme::INK, 0.75);
                scene.text(label, (left - 6.0, y), theme::TICK, theme::INK, Anchor::End);
            }
            scene.title(&self.x_label, (middle, top + height + 31.0), theme::LABEL, width + 60.0);
            let at = (left - before + 10.0, top + 0.5 * height);
            scene.upward(&self.y_label, at, theme::LABEL, panel_height - 10.0);

            let bar = left + width + 12.0;
            draw_bar(&mut scene, bar, top, BAR, bar_height);
            for tick in ticks(scale) {
                let y = top + bar_height * (1.0 - scale.position(tick.value));
                scene.line(vec![(bar + BAR, y), (bar + BAR + 3.5, y)], theme::INK, 0.75);
                scene.text(tick.label, (bar + BAR + 6.0, y), theme::TICK, theme::INK, Anchor::Start);
            }
            let at = (bar + BAR + 6.0 + bar_labels + 13.0, top + 0.5 * bar_height);
            scene.upward(&self.unit, at, theme::TICK, panel_height - 10.0);
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

fn scale(values: &Array2<f64>) -> Axis {
    let finite = values.iter().copied().filter(|&v| drawable(v));
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    Axis::linear(low, high)
}

fn draw_cell(scene: &mut Scene, [x, y, w, h]: [f64; 4], value: f64, scale: &Axis, label: &str) {
    let missing = !drawable(value);
    let ground = if missing { theme::MISSING } else { theme::viridis(scale.position(value)) };
    scene.rect([x, y, w - 1.0, h - 1.0], ground);
    if missing {
        // Diagonals from the bottom left to the top right, cut at the cell.
        let (right, bottom) = (x + w - 1.0, y + h - 1.0);
        let mut start = x - h + 8.0;
        while start < right {
            let (x0, x1) = (start.max(x), (start + h - 1.0).min(right));
            scene.line(vec![(x0, bottom - (x0 - start)), (x1, bottom - (x1 - start))], theme::PAPER, 1.0);
            start += 8.0;
        }
    }
    let ink = if missing { theme::INK } else { theme::contrasting_ink(ground) };
    scene.text(label, (x + 0.5 * (w - 1.0), y + 0.5 * (h - 1.0)), theme::TICK, ink, Anchor::Middle);
}

fn draw_bar(scene: &mut Scene, left: f64, top: f64, width: f64, height: f64) {
    let steps = 64;
    for step in 0..steps {
        let share = f64::from(step) / f64::from(steps);
        // Each strip reaches to the bottom, so that no seams show between strips.
        let at = [left, top + share * height, width, (1.0 - share) * height];
        scene.rect(at, theme::viridis(1.0 - share - 0.5 / f64::from(steps)));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use ndarray::array;
    use proptest::prelude::*;

    fn heatmap(values: Array2<f64>) -> Heatmap {
        let (rows, columns) = values.dim();
        Heatmap::new("a").rows("M", 0..rows).columns("L", 0..columns).panel("train", values)
    }

    #[test]
    fn values_are_printed_and_missing_ones_marked() {
        let figure = heatmap(array![[1174.2, f64::NAN], [-5.0, 0.123]]).figure(Provenance::default()).unwrap();
        for label in ["1174", "–", "−5.00", "0.123"] {
            assert!(figure.svg.contains(&format!(">\n{label}\n<")), "{label}");
        }
        assert_eq!(figure.data["panels"][0]["values"][0][1], json!(null));
    }

    #[test]
    fn wrong_input_is_a_typed_error() {
        let draw = |h: Heatmap| h.figure(Provenance::default());
        assert!(matches!(draw(Heatmap::new("a")), Err(Error::Figure { .. })));
        assert!(matches!(draw(heatmap(Array2::zeros((0, 0)))), Err(Error::Figure { .. })));
        assert!(matches!(draw(heatmap(array![[f64::NAN]])), Err(Error::Figure { .. })));
        assert!(matches!(draw(heatmap(array![[1.0]]).panel("b", array![[1.0, 2.0]])), Err(Error::Shape { .. })));
        assert!(matches!(draw(heatmap(Array2::zeros((1, 500)))), Err(Error::Figure { .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn any_values_draw(
            first in -1e3..1e3f64,
            rest in prop::collection::vec(prop_oneof![Just(3.0), proptest::num::f64::ANY], 0..5),
            upright: bool,
        ) {
            let values: Vec<f64> = std::iter::once(first).chain(rest).collect();
            let shape = if upright { (values.len(), 1) } else { (1, values.len()) };
            let values = Array2::from_shape_vec(shape, values).unwrap();
            prop_assert!(heatmap(values).figure(Provenance::default()).is_ok());
        }
    }
}
