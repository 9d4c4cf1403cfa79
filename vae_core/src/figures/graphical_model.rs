//! Directed graphical models: variables, what they depend on, and the plate that repeats some of them.

use plotters::element::Polygon;
use plotters::prelude::{Color, RGBColor};
use plotters::style::text_anchor::HPos;
use serde::Serialize;
use serde_json::json;

use super::figure::{Figure, Heading, headed};
use super::legend::{Key, Legend};
use super::png::failed;
use super::scene::{Scene, quarters};
use super::theme;
use crate::Result;
use crate::runs::provenance::Provenance;

const RADIUS: f64 = 22.0;
const STEP: f64 = 120.0;
const MARGIN: f64 = 60.0;

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Variable {
    /// A random variable that is not seen: an empty circle.
    Latent,
    /// One that is seen: a grey circle.
    Observed,
    /// A parameter with a point estimate: its name alone.
    Parameter,
}

#[derive(Clone, Debug, Serialize)]
struct Node {
    name: String,
    is: Variable,
    column: f64,
    row: f64,
}

#[derive(Clone, Debug, Serialize)]
struct Arrow {
    from: String,
    to: String,
    variational: bool,
}

/// Variables on a grid, column 0 at the left and row 0 at the top, and arrows between them.
#[derive(Clone, Debug, Default)]
pub struct GraphicalModel {
    heading: Heading,
    nodes: Vec<Node>,
    arrows: Vec<Arrow>,
    plate: (String, Vec<String>),
}

impl GraphicalModel {
    /// No variables yet; the files are named `id`.
    pub fn new(id: impl Into<String>) -> Self {
        Self { heading: Heading::new(id), ..Self::default() }
    }

    headed!();

    /// Adds a variable at a column and a row.
    pub fn node(mut self, name: &str, is: Variable, (column, row): (f64, f64)) -> Self {
        self.nodes.push(Node { name: name.into(), is, column, row });
        self
    }

    /// Adds an arrow: `to` depends on `from`, in the generative model (solid) or in the variational approximation (dashed).
    pub fn arrow(mut self, from: &str, to: &str, variational: bool) -> Self {
        self.arrows.push(Arrow { from: from.into(), to: to.into(), variational });
        self
    }

    /// Draws a frame, with this label, about variables that are repeated.
    pub fn plate(mut self, label: &str, names: &[&str]) -> Self {
        self.plate = (label.into(), names.iter().map(|&name| name.into()).collect());
        self
    }

    /// Draws the graph.
    ///
    /// # Errors
    /// If there is no variable, or an arrow or the plate names one that there is not.
    pub fn figure(self, provenance: Provenance) -> Result<Figure> {
        if self.nodes.is_empty() {
            return Err(self.heading.error("there is nothing to draw; add a variable"));
        }
        let mut scene = self.heading.scene()?;
        let last = |place: fn(&Node) -> f64| STEP * self.nodes.iter().map(place).fold(0.0, f64::max);
        let width = 2.0 * MARGIN + last(|node| node.column);
        self.heading.widen(&mut scene, width.max(270.0)); // the legend's width
        let left = MARGIN + 0.5 * (scene.width - width);
        let top = self.heading.draw_title(&mut scene) + MARGIN;
        let at = |node: &Node| (left + STEP * node.column, top + STEP * node.row);
        let find = |name: &String| {
            let missing = || self.heading.error(format!("there is no variable {name:?}; add it with `node`"));
            self.nodes.iter().find(|node| node.name == *name).map(at).ok_or_else(missing)
        };
        let inside = self.plate.1.iter().map(find).collect::<Result<Vec<_>>>()?;
        if let Some(&first) = inside.first() {
            let ends = inside
                .iter()
                .fold((first, first), |(a, b), p| ((a.0.min(p.0), a.1.min(p.1)), (b.0.max(p.0), b.1.max(p.1))));
            let ((x0, y0), (x1, y1)) = ((ends.0.0 - 46.0, ends.0.1 - 40.0), (ends.1.0 + 46.0, ends.1.1 + 50.0));
            scene.line(&[(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)], theme::FAINT_INK, 1.0);
            scene.text(&self.plate.0, (x1 - 8.0, y1 - 12.0), theme::LABEL, theme::INK, HPos::Right);
        }
        for Arrow { from, to, variational } in &self.arrows {
            let both = self.arrows.iter().any(|other| other.from == *to && other.to == *from);
            draw_arrow(&mut scene, find(from)?, find(to)?, if both { 6.0 } else { 0.0 }, *variational)?;
        }
        for node in &self.nodes {
            let (x, y) = at(node);
            if node.is != Variable::Parameter {
                let turn = |i: u32| (f64::from(i) / 64.0 * std::f64::consts::TAU).sin_cos();
                let rim: Vec<_> = (0..=64).map(turn).map(|(sin, cos)| (x + RADIUS * cos, y + RADIUS * sin)).collect();
                fill(&scene, &rim, if node.is == Variable::Observed { theme::MISSING } else { theme::PAPER })?;
                scene.line(&rim, theme::INK, theme::REFERENCE);
            }
            scene.text(&node.name, (x, y), 17.0, theme::INK, HPos::Center);
        }
        let key = |dashed| Key::Line { colour: theme::INK, width: theme::REFERENCE, dashed };
        let legend = Legend(vec![(key(false), "generative model".into()), (key(true), "variational".into())]);
        let (bottom, width) = (top + last(|node| node.row) + MARGIN, scene.width);
        scene.height = legend.draw(&mut scene, 0.0, bottom, width)? + 8.0;
        let data = json!({"kind": "graphical model", "nodes": self.nodes, "arrows": self.arrows, "plate": self.plate});
        self.heading.render(scene, provenance, data)
    }
}

/// From rim to rim, `aside` of the line between the centres.
fn draw_arrow(scene: &mut Scene, from: (f64, f64), to: (f64, f64), aside: f64, dashed: bool) -> Result<()> {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy).max(1.0);
    let place = |along: f64, across: f64| {
        let (along, across) = (along / length, (across + aside) / length);
        (from.0 + along * dx - across * dy, from.1 + along * dy + across * dx)
    };
    let tip = length - RADIUS - 2.0;
    let line = [place(RADIUS + 2.0, 0.0), place(tip - 6.0, 0.0)];
    match dashed {
        true => scene.dashed(&line, theme::INK, theme::REFERENCE)?,
        false => scene.line(&line, theme::INK, theme::REFERENCE),
    }
    fill(scene, &[place(tip, 0.0), place(tip - 9.0, 4.0), place(tip - 9.0, -4.0)], theme::INK)
}

fn fill(scene: &Scene, outline: &[(f64, f64)], colour: RGBColor) -> Result<()> {
    let outline: Vec<_> = outline.iter().map(|&(x, y)| (quarters(x), quarters(y))).collect();
    scene.area().draw(&Polygon::new(outline, colour.filled())).map_err(failed)
}
