//! Grey images in rows and columns.

use ndarray::{Array2, ArrayView2};
use plotters::style::text_anchor::HPos;
use serde_json::json;

use super::figure::{Figure, Heading, headed};
use super::theme;
use crate::runs::provenance::Provenance;
use crate::{Error, Result};

/// Side of a drawn pixel.
const ZOOM: f64 = 2.0;
/// Space between images, in image pixels.
const GAP: usize = 1;

/// A grid of grey images, each pixel a square. Image `k` stands in row `k / columns`, column `k % columns`.
#[derive(Clone, Debug)]
pub struct ImageGrid {
    heading: Heading,
    images: Array2<f32>,
    height: usize,
    width: usize,
    columns: usize,
    row_labels: Vec<String>,
}

impl ImageGrid {
    /// `images [n, height · width]` in [0, 1], black to white, each row by row from the top; files are named `id`.
    pub fn new(id: impl Into<String>, images: Array2<f32>, (height, width): (usize, usize)) -> Self {
        let columns = (images.nrows() as f64).sqrt().ceil() as usize;
        Self { heading: Heading::new(id), images, height, width, columns, row_labels: Vec::new() }
    }

    headed!();

    /// Images in a row; as square as possible unless said otherwise.
    pub fn columns(mut self, columns: usize) -> Self {
        self.columns = columns;
        self
    }

    /// A label left of each row.
    pub fn row_labels<S: Into<String>>(mut self, labels: impl IntoIterator<Item = S>) -> Self {
        self.row_labels = labels.into_iter().map(Into::into).collect();
        self
    }

    /// Draws the grid. Values outside [0, 1] are clamped.
    ///
    /// # Errors
    /// If there are no images, their shape does not fit, the numbers of labels do not fit, or a pixel is NaN.
    pub fn figure(self, provenance: Provenance) -> Result<Figure> {
        const SIDE: f64 = 14.0;
        let pixels = mosaic(&self.heading, self.images.view(), (self.height, self.width), self.columns, GAP)?;
        let rows = self.images.nrows().div_ceil(self.columns);
        if !self.row_labels.is_empty() && self.row_labels.len() != rows {
            let (expected, found) = (rows.to_string(), self.row_labels.len().to_string());
            return Err(Error::Shape { what: "row labels", expected, found });
        }
        let mut scene = self.heading.scene()?;
        let labels: Vec<String> =
            self.row_labels.iter().map(|l| scene.face.cut(l, theme::LABEL, theme::LONGEST)).collect();
        let label_width = scene.face.widest(&labels, theme::LABEL);
        let left = (SIDE + if label_width > 0.0 { label_width + 8.0 } else { 0.0 }).ceil();
        // Rows stay as high as their labels.
        let least = if labels.is_empty() { 0.25 } else { ZOOM.min(1.2 * theme::LABEL / (self.height + GAP) as f64) };
        let zoom = ZOOM.min((scene.room() - left - SIDE) / pixels.ncols() as f64).max(least);
        let (width, height) = (zoom * pixels.ncols() as f64, zoom * pixels.nrows() as f64);
        let left = (left + self.heading.widen(&mut scene, left + width + SIDE)).floor();
        let top = self.heading.draw_title(&mut scene).ceil();
        for (row, label) in labels.iter().enumerate() {
            let middle = top + zoom * ((row * (self.height + GAP)) as f64 + 0.5 * self.height as f64);
            scene.text(label, (left - 8.0, middle), theme::LABEL, theme::INK, HPos::Right);
        }
        scene.image(pixels, [left, top, width, height]);
        scene.height = top + height + 10.0;
        let data = json!({
            "kind": "image grid", "images": self.images.nrows(), "rows": rows, "columns": self.columns,
            "image_height": self.height, "image_width": self.width, "row_labels": self.row_labels,
            "column_labels": [],
        });
        self.heading.render(scene, provenance, data)
    }
}

/// All images in one picture, white between them, one pixel per image pixel.
pub(crate) fn mosaic(
    heading: &Heading,
    images: ArrayView2<'_, f32>,
    (height, width): (usize, usize),
    columns: usize,
    gap: usize,
) -> Result<Array2<u8>> {
    const LARGEST: usize = 4096;
    if images.is_empty() || height == 0 || width == 0 || columns == 0 {
        return Err(heading.error("there is no image to draw"));
    }
    if height.checked_mul(width) != Some(images.ncols()) {
        let (expected, found) = (format!("{height} × {width} pixels"), format!("{} pixels", images.ncols()));
        return Err(Error::Shape { what: "images of a grid", expected, found });
    }
    if let Some(position) = images.iter().position(|v| v.is_nan()) {
        return Err(heading.error(format!("image {} holds a NaN", position / images.ncols())));
    }
    let side = |count: usize, size: usize| Some((size + gap).checked_mul(count)? - gap).filter(|&n| n <= LARGEST);
    let (Some(rows), Some(cols)) = (side(images.nrows().div_ceil(columns), height), side(columns, width)) else {
        return Err(heading.error(format!("the grid would have more than {LARGEST} pixels a side; draw fewer images")));
    };
    let mut pixels = Array2::from_elem((rows, cols), u8::MAX);
    for (k, image) in images.rows().into_iter().enumerate() {
        let (top, left) = ((k / columns) * (height + gap), (k % columns) * (width + gap));
        for (i, &value) in image.iter().enumerate() {
            pixels[[top + i / width, left + i % width]] = (value.clamp(0.0, 1.0) * 255.0).round() as u8;
        }
    }
    Ok(pixels)
}
