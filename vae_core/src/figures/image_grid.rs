//! Grey images in rows and columns.

use ndarray::{Array2, ArrayView2};
use serde_json::json;

use super::figure::{Figure, Heading, headed};
use super::scene::{Mark, Scene};
use super::text::Anchor;
use super::theme;
use crate::runs::provenance::Provenance;
use crate::{Error, Result};

/// A grid of grey images, each pixel a square. Image `k` stands in row `k / columns`, column `k % columns`.
#[derive(Clone, Debug)]
pub struct ImageGrid {
    heading: Heading,
    images: Array2<f32>,
    height: usize,
    width: usize,
    columns: usize,
    zoom: usize,
    gap: usize,
    row_labels: Vec<String>,
    column_labels: Vec<String>,
}

impl ImageGrid {
    /// `images [n, height · width]` in [0, 1], black to white, each row by row from the top; files are named `id`.
    pub fn new(id: impl Into<String>, images: Array2<f32>, (height, width): (usize, usize)) -> Self {
        let columns = (images.nrows() as f64).sqrt().ceil() as usize;
        Self {
            heading: Heading::new(id),
            images,
            height,
            width,
            columns,
            zoom: 2,
            gap: 1,
            row_labels: Vec::new(),
            column_labels: Vec::new(),
        }
    }

    headed!();

    /// Images in a row; as square as possible unless said otherwise.
    pub fn columns(mut self, columns: usize) -> Self {
        self.columns = columns;
        self
    }

    /// Side of a drawn pixel (2 unless said otherwise).
    pub fn zoom(mut self, zoom: usize) -> Self {
        self.zoom = zoom;
        self
    }

    /// Space between images, in image pixels (1 unless said otherwise).
    pub fn gap(mut self, gap: usize) -> Self {
        self.gap = gap;
        self
    }

    /// A label left of each row.
    pub fn row_labels<S: Into<String>>(mut self, labels: impl IntoIterator<Item = S>) -> Self {
        self.row_labels = labels.into_iter().map(Into::into).collect();
        self
    }

    /// A label above each column.
    pub fn column_labels<S: Into<String>>(mut self, labels: impl IntoIterator<Item = S>) -> Self {
        self.column_labels = labels.into_iter().map(Into::into).collect();
        self
    }

    /// Draws the grid. Values outside [0, 1] are clamped.
    ///
    /// # Errors
    /// If there are no images, their shape does not fit, the numbers of labels do not fit, or a pixel is NaN.
    pub fn figure(self, provenance: Provenance) -> Result<Figure> {
        const SIDE: f64 = 14.0;
        let pixels = mosaic(&self.heading, self.images.view(), (self.height, self.width), self.columns, self.gap)?;
        let rows = self.images.nrows().div_ceil(self.columns);
        for (what, labels, expected) in
            [("row labels", &self.row_labels, rows), ("column labels", &self.column_labels, self.columns)]
        {
            if !labels.is_empty() && labels.len() != expected {
                let (expected, found) = (expected.to_string(), labels.len().to_string());
                return Err(Error::Shape { what, expected, found });
            }
        }
        let zoom = self.zoom.max(1) as f64;
        let (width, height) = (zoom * pixels.ncols() as f64, zoom * pixels.nrows() as f64);
        let step = |side: usize| zoom * (side + self.gap) as f64;
        let mut scene = Scene::new(1.0, 1.0)?;
        let widths = self.row_labels.iter().map(|l| scene.face.width(l, theme::LABEL));
        let label_width = widths.fold(0.0, f64::max);
        let left = (SIDE + if label_width > 0.0 { label_width + 8.0 } else { 0.0 }).ceil();
        let natural = left + width + SIDE;
        let title_width = scene.face.width(&self.heading.title, theme::TITLE) + 26.0;
        // A narrow grid under a long title: as wide as a short line of text, the grid centred.
        scene.width = natural.max(title_width.min(380.0));
        let left = (left + 0.5 * (scene.width - natural)).floor();
        let mut top = self.heading.draw_title(&mut scene);
        if !self.column_labels.is_empty() {
            let room = step(self.width) - 2.0;
            let words = self.column_labels.iter().flat_map(|l| l.split_whitespace());
            let size = words.map(|w| scene.fitting(w, theme::LABEL, room)).fold(theme::LABEL, f64::min);
            let lines: Vec<Vec<String>> = self.column_labels.iter().map(|l| scene.face.wrap(l, size, room)).collect();
            let most = lines.iter().map(Vec::len).max().unwrap_or(0);
            for (column, lines) in lines.into_iter().enumerate() {
                let middle = left + column as f64 * step(self.width) + 0.5 * zoom * self.width as f64;
                let skipped = most - lines.len();
                for (i, line) in lines.into_iter().enumerate() {
                    let y = top + (skipped + i) as f64 * 15.0 + 6.0;
                    scene.text(line, (middle, y), size, theme::INK, Anchor::Middle);
                }
            }
            top += 15.0 * most as f64 + 3.0;
        }
        let top = top.ceil();
        for (row, label) in self.row_labels.iter().enumerate() {
            let middle = top + row as f64 * step(self.height) + 0.5 * zoom * self.height as f64;
            scene.text(label, (left - 8.0, middle), theme::LABEL, theme::INK, Anchor::End);
        }
        scene.marks.push(Mark::Image { pixels, at: [left, top, width, height] });
        scene.height = top + height + 10.0;
        let data = json!({
            "kind": "image grid", "images": self.images.nrows(), "rows": rows, "columns": self.columns,
            "image_height": self.height, "image_width": self.width,
            "row_labels": self.row_labels, "column_labels": self.column_labels,
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
        let grid = ImageGrid::new("a", Array2::zeros((6, 20)), (5, 4)).columns(3).zoom(6);
        let provenance = Provenance { dataset: "a-data-set-with-a-very-long-name ".repeat(4), ..Provenance::default() };
        let grid = grid.column_labels(["input", "reconstruction", "mean of twenty"]).row_labels(["a long label", "b"]);
        assert!(grid.title("Incomprehensibilities ".repeat(5)).figure(provenance).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10))]
        #[test]
        fn odd_grids_draw(n in 1usize..6, h in 1usize..5, w in 1usize..5, columns in 1usize..8, gap in 0usize..3) {
            let grid = ImageGrid::new("a", Array2::from_elem((n, h * w), 0.5), (h, w)).columns(columns).gap(gap);
            prop_assert!(grid.title("A rather long title for so small a grid").figure(Provenance::default()).is_ok());
        }
    }
}
