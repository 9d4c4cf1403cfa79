//! Points of a plane in groups, say the codes of images by their class.

use ndarray::Array2;
use plotters::element::Circle;
use plotters::prelude::{Color, RGBColor};
use plotters::style::text_anchor::HPos;
use serde_json::json;

use super::axis::{Axis, Frame, drawable};
use super::figure::{Figure, Heading, headed};
use super::legend::{Key, Legend};
use super::png::failed;
use super::scene::quarters;
use super::theme;
use super::thin::thin_points;
use crate::runs::provenance::Provenance;
use crate::{Error, Result};

/// Groups of points, and single points that are marked with a ring and a name. Axes have one scale.
#[derive(Clone, Debug, Default)]
pub struct Scatter {
    heading: Heading,
    x_label: String,
    y_label: String,
    groups: Vec<(String, Vec<(f64, f64)>)>,
    marks: Vec<(String, (f64, f64))>,
}

impl Scatter {
    /// Without points; files are named `id`.
    pub fn new(id: impl Into<String>) -> Self {
        Self { heading: Heading::new(id), x_label: "z_{1}".into(), y_label: "z_{2}".into(), ..Self::default() }
    }

    headed!();

    /// Titles of the axes, "z_{1}" and "z_{2}" unless said otherwise.
    pub fn labels(mut self, x: impl Into<String>, y: impl Into<String>) -> Self {
        (self.x_label, self.y_label) = (x.into(), y.into());
        self
    }

    /// Adds a group of points `[n, 2]`. Points that are not finite are left out.
    ///
    /// # Errors
    /// [`Error::Shape`] if they are not points of a plane.
    pub fn group(mut self, label: impl Into<String>, points: &Array2<f32>) -> Result<Self> {
        if points.ncols() != 2 {
            let found = format!("{:?}", points.shape());
            return Err(Error::Shape { what: "points", expected: "[n, 2]".into(), found });
        }
        let points = points.outer_iter().map(|z| (f64::from(z[0]), f64::from(z[1])));
        self.groups.push((label.into(), points.filter(|(x, y)| drawable(*x) && drawable(*y)).collect()));
        Ok(self)
    }

    /// Marks a point.
    pub fn mark(mut self, label: impl Into<String>, x: f64, y: f64) -> Self {
        self.marks.push((label.into(), (x, y)));
        self
    }

    /// Draws the points.
    ///
    /// # Errors
    /// If there are none.
    pub fn figure(self, provenance: Provenance) -> Result<Figure> {
        const SIDE: f64 = 12.0;
        const HEIGHT: f64 = 380.0;
        const BELOW: f64 = 38.0;
        let marks = self.marks.iter().map(|mark| mark.1).filter(|(x, y)| drawable(*x) && drawable(*y));
        let all: Vec<_> = self.groups.iter().flat_map(|group| group.1.iter().copied()).chain(marks).collect();
        let Some(&first) = all.first() else {
            return Err(self.heading.error("there is no finite point to draw; add a group"));
        };
        let ends = all.iter().fold([first.0, first.0, first.1, first.1], |[a, b, c, d], &(x, y)| {
            [a.min(x), b.max(x), c.min(y), d.max(y)]
        });
        let mut scene = self.heading.scene()?;
        let side = HEIGHT.min(scene.room() - 110.0).max(100.0);
        let unit = (ends[3] - ends[2]).max(ends[1] - ends[0]).max(1e-9) / side;
        let width = ((ends[1] - ends[0]) / unit).clamp(0.5 * side, 1.4 * side);
        let height = ((ends[3] - ends[2]) / unit).clamp(0.5 * side, side);
        let x = Axis::linear(ends[0], ends[1], 0.03, (width / 60.0) as usize);
        let y = Axis::linear(ends[2], ends[3], 0.03, (height / 30.0) as usize);
        let labels = y.label_width(&scene);
        let before = SIDE + 22.0 + labels;
        self.heading.widen(&mut scene, before + width + 2.0 * SIDE);
        let left = before + 0.5 * (scene.width - before - width - 2.0 * SIDE);
        let top = self.heading.draw_title(&mut scene) + 6.0;
        let (x_title, y_title) = ((self.x_label.as_str(), BELOW), (self.y_label.as_str(), labels + 22.0));
        let (to_x, to_y) = (x.clone(), y.clone());
        let mut chart = Frame { left, top, width, height, x, y, x_title, y_title }.chart(&mut scene)?;
        for (k, (_, points)) in self.groups.iter().enumerate() {
            let fill = self.colour(k).mix(0.75).filled();
            let dots = thin_points(points, unit).into_iter().map(|point| Circle::new(point, quarters(1.7), fill));
            chart.draw_series(dots).map_err(failed)?;
        }
        let at = |x: f64, y: f64| (left + width * to_x.position(x), top + height * (1.0 - to_y.position(y)));
        for (label, (x, y)) in &self.marks {
            let ring = Circle::new((*x, *y), quarters(6.0), theme::INK.stroke_width(quarters(1.5) as u32));
            chart.draw_series([ring]).map_err(failed)?;
            let (x, y) = at(*x, *y);
            let (x, side) = if x > left + 0.7 * width { (x - 9.0, HPos::Right) } else { (x + 9.0, HPos::Left) };
            scene.text(label, (x, y - 8.0), theme::LABEL, theme::INK, side);
        }
        // colours alone do not tell many groups apart: each has its name in its middle, if there is room
        let mut named: Vec<(f64, f64)> = Vec::new();
        for (label, points) in self.groups.iter().filter(|group| !group.1.is_empty()) {
            let n = points.len() as f64;
            let (x, y) = points.iter().fold((0.0, 0.0), |sum, p| (sum.0 + p.0 / n, sum.1 + p.1 / n));
            let here = at(x, y);
            if named.iter().all(|there| (there.0 - here.0).hypot(there.1 - here.1) > 1.2 * theme::TITLE) {
                scene.text(label, here, theme::TITLE, theme::INK, HPos::Center);
                named.push(here);
            }
        }
        let keys = self.groups.iter().enumerate();
        let keys = keys.map(|(k, (label, _))| (Key::Box { colour: self.colour(k) }, label.clone())).collect();
        let across = scene.width - 2.0 * SIDE;
        scene.height = Legend(keys).draw(&mut scene, SIDE, top + height + BELOW + 8.0, across)? + 8.0;
        let data = json!({
            "kind": "scatter", "x": self.x_label, "y": self.y_label,
            "groups": self.groups.iter().map(|(label, points)| json!({"label": label, "points": points})).collect::<Vec<_>>(),
            "marks": self.marks,
        });
        self.heading.render(scene, provenance, data)
    }

    /// Line colours as long as there are enough of them, and for many groups a scale.
    fn colour(&self, k: usize) -> RGBColor {
        match self.groups.len() {
            0..=6 => theme::line_colour(k),
            n => theme::viridis(k as f64 / (n - 1) as f64),
        }
    }
}
