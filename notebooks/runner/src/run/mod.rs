//! What is done with notebooks: executed, opened in JupyterLab; and the real kernel, tested.
mod cell_error;
pub mod check;
mod figures;
mod jupyter;
pub mod lab;
pub mod names;
pub mod places;
mod progress;
pub mod redraw;
pub mod report;
pub mod rerun;
pub mod sweep;
