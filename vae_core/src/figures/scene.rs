//! A drawing that grows downwards: lengths in CSS pixels from the top left corner.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use ndarray::Array2;
use plotters::coord::Shift;
use plotters::element::DashedPathElement;
use plotters::prelude::{Color, DrawingArea, FontFamily, FontTransform, IntoFont, RGBColor, TextStyle};
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::canvas::{Canvas, LARGEST, Mark, SCALE};
use super::page::Page;
use super::png::{Bitmap, failed};
use super::text::{LINE, Typeface, runs};
use super::theme;
use crate::Result;

/// `css` pixels in pixels of the back end.
pub(crate) fn quarters(css: f64) -> i32 {
    (css * f64::from(SCALE)).round() as i32
}

/// Text of `size` CSS pixels.
pub(crate) fn style(size: f64, colour: RGBColor) -> TextStyle<'static> {
    (FontFamily::SansSerif, size * f64::from(SCALE)).into_font().color(&colour)
}

/// A dashed line through the given points.
pub(crate) fn dashes<P: Clone>(
    points: Vec<P>,
    colour: RGBColor,
    width: f64,
) -> DashedPathElement<std::vec::IntoIter<P>, i32> {
    let (dash, gap) = theme::DASH;
    DashedPathElement::new(points, quarters(dash), quarters(gap), colour.stroke_width(quarters(width) as u32))
}

pub(crate) struct Scene {
    pub(crate) width: f64,
    pub(crate) height: f64,
    /// What it is fitted into, if anything.
    pub(crate) page: Option<Page>,
    pub(crate) face: Typeface,
    canvas: Rc<RefCell<Canvas>>,
}

impl Scene {
    /// Without any size yet.
    pub(crate) fn new() -> Result<Self> {
        let face = Typeface::load()?;
        let canvas = Rc::new(RefCell::new(Canvas::new(face.clone())));
        Ok(Self { width: 1.0, height: 1.0, page: None, face, canvas })
    }

    /// All of the canvas, for plotters.
    pub(crate) fn area(&self) -> DrawingArea<Canvas, Shift> {
        DrawingArea::from(&self.canvas)
    }

    pub(crate) fn rect(&mut self, [x, y, w, h]: [f64; 4], colour: RGBColor) {
        let (from, to) = ((quarters(x), quarters(y)), (quarters(x + w), quarters(y + h)));
        self.canvas.borrow_mut().marks.push(Mark::Rect { from, to, colour: colour.to_rgba() });
    }

    pub(crate) fn image(&mut self, pixels: Array2<u8>, [x, y, w, h]: [f64; 4]) {
        let (from, to) = ((quarters(x), quarters(y)), (quarters(x + w), quarters(y + h)));
        self.canvas.borrow_mut().marks.push(Mark::Image { pixels, from, to });
    }

    pub(crate) fn line(&mut self, points: &[(f64, f64)], colour: RGBColor, width: f64) {
        let points = points.iter().map(|&(x, y)| (quarters(x), quarters(y)));
        self.canvas.borrow_mut().line(points, colour.stroke_width(quarters(width).max(1) as u32));
    }

    pub(crate) fn dashed(&mut self, points: &[(f64, f64)], colour: RGBColor, width: f64) -> Result<()> {
        let points: Vec<_> = points.iter().map(|&(x, y)| (quarters(x), quarters(y))).collect();
        self.area().draw(&dashes(points, colour, width)).map_err(failed)
    }

    fn put(&mut self, text: &str, (x, y): (f64, f64), style: TextStyle<'_>) {
        self.canvas.borrow_mut().text(text, &style, (quarters(x), quarters(y)));
    }

    /// Text whose capitals are centred on `at`, or end or begin there.
    pub(crate) fn text(&mut self, text: &str, at: (f64, f64), size: f64, colour: RGBColor, anchor: HPos) {
        self.put(text, at, style(size, colour).pos(Pos::new(anchor, VPos::Center)));
    }

    /// A title read from bottom to top, centred on `at`, made smaller where it is longer than `length`.
    pub(crate) fn upward(&mut self, text: &str, at: (f64, f64), size: f64, length: f64) {
        let style = style(self.fitting(text, size, length), theme::INK).pos(Pos::new(HPos::Center, VPos::Center));
        self.put(text, at, style.transform(FontTransform::Rotate270));
    }

    /// A title centred on `at`, made smaller where it is wider than `width`.
    pub(crate) fn title(&mut self, text: &str, at: (f64, f64), size: f64, width: f64) {
        let size = self.fitting(text, size, width);
        self.text(text, at, size, theme::INK, HPos::Center);
    }

    /// The size, at most `size`, at which `text` is no wider than `width`; never so small that it cannot be read.
    pub(crate) fn fitting(&self, text: &str, size: f64, width: f64) -> f64 {
        (size * (width / self.face.width(text, size).max(1.0)).min(1.0)).max(7.0)
    }

    /// Lines of text centred on `x`, the first with its top at `top`; returns the bottom of the last.
    pub(crate) fn paragraph(&mut self, text: &str, (x, top): (f64, f64), width: f64, size: f64) -> f64 {
        let lines = self.face.wrap(text, size, width);
        self.put(&lines.join("\n"), (x, top), style(size, theme::INK).pos(Pos::new(HPos::Center, VPos::Top)));
        top + LINE * size * lines.len() as f64
    }

    /// How wide it may become.
    pub(crate) fn room(&self) -> f64 {
        self.page.map_or(f64::INFINITY, Page::room)
    }

    /// The size in whole CSS pixels.
    fn size(&self) -> Result<(u32, u32)> {
        let fits = |side: f64| (1.0..=f64::from(LARGEST)).contains(&side);
        if !(fits(self.width) && fits(self.height)) {
            let size = format!("{:.0} × {:.0} pixels, more than {LARGEST} a side", self.width, self.height);
            return Err(failed(format!("it would be {size}; draw fewer or smaller parts")));
        }
        Ok((self.width.ceil() as u32, self.height.ceil() as u32))
    }

    /// To be shown `zoom` times as large.
    pub(crate) fn to_svg(&self, zoom: f64) -> Result<String> {
        self.canvas.borrow().svg(self.size()?, zoom)
    }

    /// [`SCALE`] pixels for a CSS pixel.
    pub(crate) fn to_bitmap(&self) -> Result<Bitmap> {
        self.canvas.borrow().bitmap(self.size()?)
    }

    /// Characters of the texts for which the typeface has no glyph, each once.
    pub(crate) fn missing_glyphs(&self) -> String {
        let canvas = self.canvas.borrow();
        let texts =
            canvas.marks.iter().filter_map(|mark| if let Mark::Text(label) = mark { Some(label) } else { None });
        let missing = texts.flat_map(|label| runs(&label.text)).flat_map(|run| run.text.chars().collect::<Vec<_>>());
        missing.filter(|c| !self.face.has(*c)).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Texts that leave the drawing or cover each other; every figure drawn in a test must have none.
    #[cfg(test)]
    pub(crate) fn misplaced_texts(&self) -> Vec<String> {
        use super::text::CAP_HEIGHT;
        let canvas = self.canvas.borrow();
        let labels =
            canvas.marks.iter().filter_map(|mark| if let Mark::Text(label) = mark { Some(label) } else { None });
        let area = |label: &super::canvas::Label| {
            let (width, half) = (self.face.width(&label.text, label.size), 0.5 * CAP_HEIGHT * label.size);
            let ((x, y), before) = ((f64::from(label.at.0), f64::from(label.at.1)), label.before(width));
            let upright = [x - before, y - half, x - before + width, y + half];
            let area = if label.upward { [x - half, y + before - width, x + half, y + before] } else { upright };
            (label.text.clone(), area.map(|side| side / f64::from(SCALE)))
        };
        let texts: Vec<_> = labels.map(area).collect();
        let mut misplaced = Vec::new();
        for (i, (text, a)) in texts.iter().enumerate() {
            if a[0] < 0.0 || a[1] < 0.0 || a[2] > self.width || a[3] > self.height {
                misplaced.push(format!("{text:?} at {a:.0?} leaves {} × {}", self.width, self.height));
            }
            let covered = texts[..i].iter().filter(|(_, b)| a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]);
            misplaced.extend(covered.map(|(other, _)| format!("{text:?} covers {other:?}")));
        }
        misplaced
    }
}
