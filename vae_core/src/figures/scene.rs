//! A drawing as a list of marks, rendered once by each plotters backend.
//!
//! Coordinates are CSS pixels with the origin at the top left. Both backends draw on a canvas [`SCALE`] times as large:
//! plotters has whole-pixel coordinates, so this gives the SVG quarter pixels and the bitmaps smooth edges.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ndarray::Array2;
use plotters::prelude::{BitMapBackend, DrawingBackend, RGBColor, SVGBackend};
use plotters_backend::{BackendColor, BackendStyle};

use super::dashes::{Point, dashes};
use super::png::{self, Bitmap, drawing_error};
use super::svg::join_pieces;
use super::text::{Anchor, BASELINE, CAP_HEIGHT, RunStyle, Typeface, runs};
use super::theme;
use crate::{Error, Result};

/// Backend pixels per CSS pixel.
pub(crate) const SCALE: u32 = 4;
/// Larger drawings are refused: 4096 pixels a side are 800 MB at [`SCALE`].
const LARGEST: f64 = 4096.0;

#[derive(Clone, Debug)]
pub(crate) enum Mark {
    /// An open line.
    Line { points: Vec<Point>, colour: RGBColor, width: f64 },
    /// A filled polygon.
    Area { points: Vec<Point>, colour: RGBColor, opacity: f64 },
    /// A filled rectangle: left, top, width, height.
    Rect { at: [f64; 4], colour: RGBColor },
    /// Text whose capitals are centred vertically on `at`.
    Text { text: String, at: Point, size: f64, colour: RGBColor, anchor: Anchor, upward: bool },
    /// Grey pixels stretched to left, top, width, height without smoothing; drawn above all else.
    Image { pixels: Array2<u8>, at: [f64; 4] },
}

/// The marks of a drawing, in drawing order.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) marks: Vec<Mark>,
    pub(crate) face: Typeface,
}

struct Stroke(RGBColor, f64, u32);

impl BackendStyle for Stroke {
    fn color(&self) -> BackendColor {
        BackendColor { alpha: self.1, rgb: (self.0.0, self.0.1, self.0.2) }
    }
    fn stroke_width(&self) -> u32 {
        self.2
    }
}

impl Scene {
    pub(crate) fn new(width: f64, height: f64) -> Result<Self> {
        Ok(Self { width, height, marks: Vec::new(), face: Typeface::load()? })
    }

    pub(crate) fn rect(&mut self, at: [f64; 4], colour: RGBColor) {
        self.marks.push(Mark::Rect { at, colour });
    }

    pub(crate) fn line(&mut self, points: Vec<Point>, colour: RGBColor, width: f64) {
        self.marks.push(Mark::Line { points, colour, width });
    }

    /// A line with gaps, from its own short pieces: the bitmap backend knows no dashes.
    pub(crate) fn dashed(&mut self, points: &[Point], colour: RGBColor, width: f64) {
        for dash in dashes(points, theme::DASH) {
            self.line(dash, colour, width);
        }
    }

    pub(crate) fn area(&mut self, points: Vec<Point>, colour: RGBColor, opacity: f64) {
        self.marks.push(Mark::Area { points, colour, opacity });
    }

    /// A filled disc.
    pub(crate) fn dot(&mut self, (x, y): Point, radius: f64, colour: RGBColor) {
        let corner = |i: u8| (f64::from(i) / 16.0 * std::f64::consts::TAU).sin_cos();
        let outline = (0..16).map(corner).map(|(s, c)| (x + radius * c, y + radius * s)).collect();
        self.area(outline, colour, 1.0);
    }

    pub(crate) fn text(&mut self, text: impl Into<String>, at: Point, size: f64, colour: RGBColor, anchor: Anchor) {
        self.marks.push(Mark::Text { text: text.into(), at, size, colour, anchor, upward: false });
    }

    /// An axis title read from bottom to top, centred on `at`, made smaller where it is longer than `length`.
    pub(crate) fn upward(&mut self, text: &str, at: Point, size: f64, length: f64) {
        let size = self.fitting(text, size, length);
        let text = text.to_owned();
        self.marks.push(Mark::Text { text, at, size, colour: theme::INK, anchor: Anchor::Middle, upward: true });
    }

    /// A title centred on `at`, made smaller where it is wider than `width`.
    pub(crate) fn title(&mut self, text: &str, at: Point, size: f64, width: f64) {
        let size = self.fitting(text, size, width);
        self.text(text, at, size, theme::INK, Anchor::Middle);
    }

    /// The size, at most `size`, at which `text` is no wider than `width`; never so small that it cannot be read.
    pub(crate) fn fitting(&self, text: &str, size: f64, width: f64) -> f64 {
        (size * (width / self.face.width(text, size).max(1.0)).min(1.0)).max(7.0)
    }

    /// Lines of text centred on `x`, the first with its top at `top`; returns the bottom of the last.
    pub(crate) fn paragraph(&mut self, text: &str, (x, top): Point, width: f64, size: f64, colour: RGBColor) -> f64 {
        let mut y = top;
        for line in self.face.wrap(text, size, width) {
            self.text(line, (x, y + 0.5 * size), size, colour, Anchor::Middle);
            y += 1.3 * size;
        }
        y
    }

    pub(crate) fn to_svg(&self) -> Result<String> {
        let (width, height) = self.canvas()?;
        let mut svg = String::new();
        let mut backend = SVGBackend::with_string(&mut svg, (width, height));
        self.draw(&mut backend, false)?;
        drop(backend);
        let mut svg = join_pieces(&svg);
        let size = format!("width=\"{width}\" height=\"{height}\"");
        let css = format!("width=\"{}\" height=\"{}\" stroke-linejoin=\"round\"", width / SCALE, height / SCALE);
        svg = svg.replacen(&size, &css, 1);
        let end = svg.rfind("</svg>").unwrap_or(svg.len());
        svg.insert_str(end, &self.svg_images()?);
        Ok(svg)
    }

    /// The drawing at `1×` and `2×`.
    pub(crate) fn to_bitmaps(&self) -> Result<(Bitmap, Bitmap)> {
        let (width, height) = self.canvas()?;
        let mut rgb = vec![255; 3 * width as usize * height as usize];
        let mut backend = BitMapBackend::with_buffer(&mut rgb, (width, height));
        self.draw(&mut backend, true)?;
        for mark in &self.marks {
            if let Mark::Image { pixels, at } = mark {
                let [x, y, w, h] = at.map(pixel);
                let (w, h) = (w.max(0) as usize, h.max(0) as usize);
                let mut block = Vec::with_capacity(3 * w * h);
                for row in 0..h {
                    for column in 0..w {
                        let grey = pixels[[row * pixels.nrows() / h, column * pixels.ncols() / w]];
                        block.extend([grey; 3]);
                    }
                }
                backend.blit_bitmap((x, y), (w as u32, h as u32), &block).map_err(backend_error)?;
            }
        }
        drop(backend);
        let full = Bitmap { width: width as usize, height: height as usize, rgb };
        Ok((full.shrink(SCALE as usize), full.shrink(SCALE as usize / 2)))
    }

    fn canvas(&self) -> Result<(u32, u32)> {
        let fits = |side: f64| (1.0..=LARGEST).contains(&side);
        if !(fits(self.width) && fits(self.height)) {
            return Err(drawing_error(format!(
                "it would be {:.0} × {:.0} pixels, more than {LARGEST} a side; draw fewer or smaller parts",
                self.width, self.height
            )));
        }
        Ok((self.width.ceil() as u32 * SCALE, self.height.ceil() as u32 * SCALE))
    }

    fn draw<B: DrawingBackend>(&self, backend: &mut B, bitmap: bool) -> Result<()> {
        let (width, height) = backend.get_size();
        backend
            .draw_rect((0, 0), (width as i32, height as i32), &Stroke(theme::PAPER, 1.0, 1), true)
            .map_err(backend_error)?;
        self.marks.iter().try_for_each(|mark| self.draw_mark(backend, mark, bitmap))?;
        backend.present().map_err(backend_error)
    }

    fn draw_mark<B: DrawingBackend>(&self, backend: &mut B, mark: &Mark, bitmap: bool) -> Result<()> {
        match mark {
            Mark::Line { points, colour, width } => {
                let style = Stroke(*colour, 1.0, pixel(*width).max(1) as u32);
                let points = snapped(points);
                if points.len() < 2 {
                    return Ok(());
                }
                if !bitmap {
                    return backend.draw_path(points, &style).map_err(backend_error);
                }
                // plotters' thick paths leave notches where a noisy curve turns sharply: pieces and round joints do not.
                for pair in points.windows(2) {
                    backend.draw_line(pair[0], pair[1], &style).map_err(backend_error)?;
                }
                for &joint in &points[1..points.len() - 1] {
                    backend.draw_circle(joint, style.2 / 2, &style, true).map_err(backend_error)?;
                }
                Ok(())
            }
            Mark::Area { points, colour, opacity } => {
                let points = snapped(points);
                if points.len() < 3 {
                    return Ok(());
                }
                backend.fill_polygon(points, &Stroke(*colour, *opacity, 1)).map_err(backend_error)
            }
            Mark::Rect { at: [x, y, w, h], colour } => {
                let (from, to) = ((pixel(*x), pixel(*y)), (pixel(x + w), pixel(y + h)));
                if to.0 < from.0 || to.1 < from.1 {
                    return Ok(());
                }
                backend.draw_rect(from, to, &Stroke(*colour, 1.0, 1), true).map_err(backend_error)
            }
            Mark::Text { text, at, size, colour, anchor, upward } => {
                self.draw_text(backend, text, *at, *size, *colour, *anchor, *upward)
            }
            Mark::Image { .. } => Ok(()),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of Mark::Text")]
    fn draw_text<B: DrawingBackend>(
        &self,
        backend: &mut B,
        text: &str,
        (x, y): Point,
        size: f64,
        colour: RGBColor,
        anchor: Anchor,
        upward: bool,
    ) -> Result<()> {
        let runs = runs(text);
        let width = self.face.width(text, size);
        // A single run keeps its anchor, so that a viewer with another font still centres it.
        let (anchor, mut along) = match (runs.len(), anchor) {
            (1, anchor) => (anchor, 0.0),
            (_, Anchor::Start) => (Anchor::Start, 0.0),
            (_, Anchor::Middle) => (Anchor::Start, -0.5 * width),
            (_, Anchor::End) => (Anchor::Start, -width),
        };
        for run in runs {
            let run_size = size * run.scale;
            let style = RunStyle { face: &self.face, size: run_size * f64::from(SCALE), colour, anchor, upward };
            let across = (0.5 * CAP_HEIGHT + run.drop) * size - BASELINE * run_size;
            let (px, py) = if upward { (x + across, y - along) } else { (x + along, y + across) };
            // SVG drops plain spaces at the ends of a text.
            let inner = run.text.trim_matches(' ');
            let spaces = |count: usize| "\u{a0}".repeat(count);
            let leading = run.text.len() - run.text.trim_start_matches(' ').len();
            let trailing = run.text.len() - leading - inner.len();
            let text = format!("{}{inner}{}", spaces(leading), spaces(trailing));
            backend.draw_text(&text, &style, (pixel(px), pixel(py))).map_err(backend_error)?;
            along += self.face.plain_width(&run.text, run_size);
        }
        Ok(())
    }

    fn svg_images(&self) -> Result<String> {
        let mut out = String::new();
        for mark in &self.marks {
            if let Mark::Image { pixels, at } = mark {
                let [x, y, w, h] = at.map(pixel);
                let data = BASE64_STANDARD.encode(png::encode_grey(pixels)?);
                out += &format!(
                    "<image x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" preserveAspectRatio=\"none\" \
                     style=\"image-rendering:pixelated\" href=\"data:image/png;base64,{data}\"/>\n"
                );
            }
        }
        Ok(out)
    }
}

fn pixel(css: f64) -> i32 {
    (css * f64::from(SCALE)).round() as i32
}

fn snapped(points: &[Point]) -> Vec<(i32, i32)> {
    let mut points: Vec<_> = points.iter().map(|&(x, y)| (pixel(x), pixel(y))).collect();
    points.dedup();
    points
}

fn backend_error(error: impl std::fmt::Display) -> Error {
    drawing_error(error.to_string())
}

#[cfg(test)]
impl Scene {
    /// Texts that leave the drawing or cover each other; every figure drawn in a test must have none.
    pub(crate) fn misplaced_texts(&self) -> Vec<String> {
        let texts = self.marks.iter().filter_map(|mark| match mark {
            Mark::Text { text, at, size, anchor, upward, .. } if !text.is_empty() => {
                let width = self.face.width(text, *size);
                let before = match anchor {
                    Anchor::Start => 0.0,
                    Anchor::Middle => 0.5 * width,
                    Anchor::End => width,
                };
                let (half, (x, y)) = (0.5 * CAP_HEIGHT * size, *at);
                let area = if *upward {
                    [x - half, y - width + before, x + half, y + before]
                } else {
                    [x - before, y - half, x - before + width, y + half]
                };
                Some((text.clone(), area))
            }
            _ => None,
        });
        let texts: Vec<_> = texts.collect();
        let mut misplaced = Vec::new();
        for (i, (text, a)) in texts.iter().enumerate() {
            if a[0] < 0.0 || a[1] < 0.0 || a[2] > self.width || a[3] > self.height {
                misplaced.push(format!("{text:?} at {a:.0?} leaves {} × {}", self.width, self.height));
            }
            for (other, b) in &texts[..i] {
                if a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3] {
                    misplaced.push(format!("{text:?} covers {other:?}"));
                }
            }
        }
        misplaced
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn renders_both_ways_at_the_named_size() {
        let mut scene = Scene::new(60.0, 40.0).unwrap();
        scene.text("N_{z} < μ", (30.0, 10.0), 10.0, theme::INK, Anchor::Middle);
        scene.line(vec![(5.0, 5.0), (5.0, 5.0)], theme::INK, 1.0);
        scene.rect([10.0, 20.0, 10.0, 10.0], theme::INK);
        scene.marks.push(Mark::Image { pixels: Array2::from_elem((1, 1), 7), at: [30.0, 20.0, 10.0, 10.0] });
        let svg = scene.to_svg().unwrap();
        assert!(svg.contains("width=\"60\" height=\"40\"") && svg.contains("viewBox=\"0 0 240 160\""));
        assert!(svg.contains("&lt; μ") && svg.contains("data:image/png;base64,"));
        let (small, large) = scene.to_bitmaps().unwrap();
        assert_eq!((small.width, small.height, large.width), (60, 40, 120));
        let at = |x: usize, y: usize| small.rgb[3 * (y * 60 + x)];
        assert_eq!((at(9, 25), at(10, 25), at(19, 25), at(20, 25)), (255, 0x22, 0x22, 255));
        assert_eq!((at(29, 25), at(30, 29), at(40, 25)), (255, 7, 255));
    }

    #[test]
    fn absurd_sizes_are_refused() {
        for (w, h) in [(0.0, 10.0), (1e9, 10.0), (f64::NAN, 1.0)] {
            assert!(Scene::new(w, h).unwrap().to_svg().is_err());
        }
    }
}
