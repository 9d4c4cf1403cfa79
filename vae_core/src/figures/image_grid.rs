//! Grey images in rows and columns.

use ndarray::{Array2, ArrayView2};
use plotters::style::text_anchor::HPos;
use serde_json::json;

use super::figure::{Figure, Heading, headed};
use super::scene::Scene;
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
        let (width, height) = (ZOOM * pixels.ncols() as f64, ZOOM * pixels.nrows() as f64);
        let mut scene = Scene::new()?;
        let label_width = scene.face.widest(&self.row_labels, theme::LABEL);
        let left = (SIDE + if label_width > 0.0 { label_width + 8.0 } else { 0.0 }).ceil();
        let natural = left + width + SIDE;
        let title_width = scene.face.width(&self.heading.title, theme::TITLE) + 26.0;
        // A narrow grid under a long title: as wide as a short line of text, the grid centred.
        scene.width = natural.max(title_width.min(380.0));
        let left = (left + 0.5 * (scene.width - natural)).floor();
        let top = self.heading.draw_title(&mut scene).ceil();
        for (row, label) in self.row_labels.iter().enumerate() {
            let middle = top + ZOOM * ((row * (self.height + GAP)) as f64 + 0.5 * self.height as f64);
            scene.text(label, (left - 8.0, middle), theme::LABEL, theme::INK, HPos::Right);
        }
        scene.image(pixels, [left, top, width, height]);
        scene.height = top + height + 10.0;
        let data = json!({
            "kind": "image grid", "images": self.images.nrows(), "rows": rows, "columns": self.columns,
            "image_height": self.height, "image_width": self.width,
            "row_labels": self.row_labels, "column_labels": [],
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
    let side = |count: usize, size: usize| {
        size.checked_add(gap).and_then(|step| step.checked_mul(count)).map(|n| n - gap).filter(|&n| n <= LARGEST)
    };
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use ndarray::array;
    use proptest::prelude::*;

    #[test]
    fn images_stand_upright_in_reading_order() {
        let images = array![[0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [1.0, -1.0, 9.0, 0.0, 0.0, 0.0], [0.5; 6]];
        let pixels = mosaic(&Heading::new("a"), images.view(), (2, 3), 2, 1).unwrap();
        assert_eq!(
            pixels,
            array![
                [0, 51, 102, 255, 255, 0, 255],
                [153, 204, 255, 255, 0, 0, 0],
                [255, 255, 255, 255, 255, 255, 255],
                [128, 128, 128, 255, 255, 255, 255],
                [128, 128, 128, 255, 255, 255, 255],
            ]
        );
    }

    #[test]
    fn wrong_input_is_a_typed_error() {
        let draw = |images: Array2<f32>, shape, columns| {
            ImageGrid::new("a", images, shape).columns(columns).figure(Provenance::default())
        };
        assert!(matches!(draw(Array2::zeros((0, 4)), (2, 2), 1), Err(Error::Figure { .. })));
        assert!(matches!(draw(Array2::zeros((1, 4)), (2, 2), 0), Err(Error::Figure { .. })));
        assert!(matches!(draw(Array2::zeros((1, 4)), (2, 3), 1), Err(Error::Shape { .. })));
        assert!(matches!(draw(array![[0.0, f32::NAN]], (1, 2), 1), Err(Error::Figure { .. })));
        assert!(matches!(draw(Array2::zeros((5000, 1)), (1, 1), 1), Err(Error::Figure { .. })));
        let labels = ImageGrid::new("a", Array2::zeros((2, 1)), (1, 1)).row_labels(["x", "y"]);
        assert!(matches!(labels.figure(Provenance::default()), Err(Error::Shape { .. })));
    }

    #[test]
    fn long_labels_stay_in_their_places() {
        let grid = ImageGrid::new("a", Array2::zeros((6, 20)), (5, 4)).columns(3);
        let provenance = Provenance { dataset: "a-data-set-with-a-very-long-name ".repeat(4), ..Provenance::default() };
        let grid = grid.row_labels(["a long label", "b"]);
        assert!(grid.title("Incomprehensibilities ".repeat(5)).figure(provenance).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10))]
        #[test]
        fn odd_grids_draw(n in 1usize..6, h in 1usize..5, w in 1usize..5, columns in 1usize..8) {
            let grid = ImageGrid::new("a", Array2::from_elem((n, h * w), 0.5), (h, w)).columns(columns);
            prop_assert!(grid.title("A rather long title for so small a grid").figure(Provenance::default()).is_ok());
        }
    }
}
