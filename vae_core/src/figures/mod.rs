//! Figures: pure functions of stored results that show themselves in a notebook and export SVG, PNG and JSON.
//!
//! Each kind is a builder: `LearningCurves::new("fig5").title("…").curve(c).figure(provenance)?` is a [`Figure`];
//! `fig.export()?` writes its files. plotters draws charts, series and shapes onto `canvas`, which says what is ours; the
//! font is part of the crate.

mod axis;
mod bars;
mod canvas;
mod curves;
mod figure;
mod graphical_model;
mod heatmap;
mod image_grid;
mod legend;
mod manifold;
mod page;
mod panels;
mod paths;
mod png;
mod progress;
mod run_curves;
mod scatter;
mod scene;
mod table;
#[cfg(test)]
mod tests;
mod text;
pub mod theme;
mod thin;

pub use bars::Bars;
pub use curves::{Curve, LearningCurves, Reference};
pub use figure::Figure;
pub use graphical_model::{GraphicalModel, Variable};
pub use heatmap::Heatmap;
pub use image_grid::ImageGrid;
pub use manifold::{Manifold, manifold_latents, manifold_latents_of};
pub use panels::Panels;
pub use paths::figures_dir;
pub(crate) use progress::CurveAndBar;
pub use run_curves::{interval_curve, mean_curve};
pub use scatter::Scatter;
pub use table::Table;
