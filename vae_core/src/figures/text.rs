//! Text: one bundled typeface, measured and drawn the same in SVG and in bitmaps.
//!
//! plotters' own `ab_glyph` text needs a font in a global table (which every notebook cell has anew) and sets the
//! baseline too high; a [`BackendTextStyle`] of our own needs neither.

use std::convert::Infallible;

use ab_glyph::{Font, FontRef, Glyph, PxScale, point};
use plotters::style::RGBColor;
use plotters_backend::text_anchor::{HPos, Pos, VPos};
use plotters_backend::{BackendColor, BackendCoord, BackendTextStyle, FontFamily, FontTransform};

use crate::{Error, Result};

/// For SVG viewers; Verdana has nearly the same widths.
const FAMILY: &str = "DejaVu Sans, Verdana, sans-serif";
/// plotters writes `size() / 1.24` into SVG as the font size.
const PLOTTERS_SIZE_PER_EM: f64 = 1.24;
/// plotters sets the baseline of text hung by its top at this part of the font size.
pub(crate) const BASELINE: f64 = 0.76;
/// Height of capitals and digits.
pub(crate) const CAP_HEIGHT: f64 = 0.729;
/// Size of a raised or lowered run.
const SCRIPT: f64 = 0.72;

/// DejaVu Sans: Greek letters, superscripts, a real minus.
#[derive(Clone)]
pub(crate) struct Typeface(FontRef<'static>);

impl Typeface {
    pub(crate) fn load() -> Result<Self> {
        FontRef::try_from_slice(dejavu::sans::regular())
            .map(Self)
            .map_err(|e| Error::Figure { id: String::new(), reason: format!("the bundled font cannot be read: {e}") })
    }

    /// Width of `text` (with markup) at `size`.
    pub(crate) fn width(&self, text: &str, size: f64) -> f64 {
        runs(text).iter().map(|run| self.plain_width(&run.text, size * run.scale)).sum()
    }

    pub(crate) fn plain_width(&self, text: &str, size: f64) -> f64 {
        self.layout(text, size).1
    }

    /// Breaks `text` at spaces into lines no wider than `width`, and words that are wider anywhere.
    pub(crate) fn wrap(&self, text: &str, size: f64, width: f64) -> Vec<String> {
        let fits = |text: &str| self.width(text, size) <= width;
        let mut lines: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            match lines.last_mut() {
                Some(line) if fits(&format!("{line} {word}")) => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ if fits(word) => lines.push(word.to_owned()),
                _ => {
                    let mut piece = String::new();
                    for c in word.chars() {
                        if !piece.is_empty() && !fits(&format!("{piece}{c}")) {
                            lines.push(std::mem::take(&mut piece));
                        }
                        piece.push(c);
                    }
                    lines.push(piece);
                }
            }
        }
        lines
    }

    fn layout(&self, text: &str, size: f64) -> (Vec<Glyph>, f64) {
        let units = f64::from(self.0.units_per_em().unwrap_or(2048.0));
        let scale = PxScale::from((size * f64::from(self.0.height_unscaled()) / units) as f32);
        let unit = size / units;
        let (mut x, mut before, mut glyphs) = (0.0, None, Vec::new());
        for c in text.chars() {
            let id = self.0.glyph_id(c);
            if let Some(before) = before {
                x += f64::from(self.0.kern_unscaled(before, id)) * unit;
            }
            glyphs.push(id.with_scale_and_position(scale, point(x as f32, (BASELINE * size) as f32)));
            x += f64::from(self.0.h_advance_unscaled(id)) * unit;
            before = Some(id);
        }
        (glyphs, x)
    }
}

/// A stretch of text on one level.
pub(crate) struct Run {
    pub(crate) text: String,
    /// Size relative to the surrounding text.
    pub(crate) scale: f64,
    /// How far below the baseline, in units of the surrounding size.
    pub(crate) drop: f64,
}

/// Splits markup into runs: `N_{z}` lowers, `L^{B}` raises.
pub(crate) fn runs(text: &str) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut push = |text: &str, scale, drop| {
        if !text.is_empty() {
            runs.push(Run { text: text.to_owned(), scale, drop });
        }
    };
    let mut rest = text;
    while let Some(start) = [rest.find("_{"), rest.find("^{")].into_iter().flatten().min() {
        let Some(length) = rest[start..].find('}') else { break };
        push(&rest[..start], 1.0, 0.0);
        let drop = if rest[start..].starts_with('_') { 0.16 } else { -0.38 };
        push(&rest[start + 2..start + length], SCRIPT, drop);
        rest = &rest[start + length + 1..];
    }
    push(rest, 1.0, 0.0);
    runs
}

/// `text` without the braces of its markup, for captions and plain text.
pub(crate) fn plain(text: &str) -> String {
    let mut out = text.replace("_{", "\u{1}").replace("^{", "\u{2}");
    while let Some(start) = out.find(['\u{1}', '\u{2}']) {
        let mark = if out[start..].starts_with('\u{1}') { "_" } else { "^" };
        if let Some(length) = out[start..].find('}') {
            out.replace_range(start + length..=start + length, "");
        }
        out.replace_range(start..=start, mark);
    }
    out
}

/// Where a text touches its position, along its direction of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// One run as the plotters backends want it.
pub(crate) struct RunStyle<'a> {
    pub(crate) face: &'a Typeface,
    /// Font size in backend pixels.
    pub(crate) size: f64,
    pub(crate) colour: RGBColor,
    pub(crate) anchor: Anchor,
    /// Read from bottom to top.
    pub(crate) upward: bool,
}

impl BackendTextStyle for RunStyle<'_> {
    type FontError = Infallible;

    fn color(&self) -> BackendColor {
        BackendColor { alpha: 1.0, rgb: (self.colour.0, self.colour.1, self.colour.2) }
    }

    fn size(&self) -> f64 {
        self.size * PLOTTERS_SIZE_PER_EM
    }

    fn transform(&self) -> FontTransform {
        if self.upward { FontTransform::Rotate270 } else { FontTransform::None }
    }

    fn anchor(&self) -> Pos {
        let horizontal = match self.anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        Pos::new(horizontal, VPos::Top)
    }

    fn family(&self) -> FontFamily<'_> {
        FontFamily::Name(FAMILY)
    }

    fn layout_box(&self, text: &str) -> Result<((i32, i32), (i32, i32)), Infallible> {
        Ok(((0, 0), (self.face.plain_width(text, self.size).round() as i32, self.size.round() as i32)))
    }

    fn draw<E, F: FnMut(i32, i32, BackendColor) -> Result<(), E>>(
        &self,
        text: &str,
        (left, top): BackendCoord,
        mut pixel: F,
    ) -> Result<Result<(), E>, Infallible> {
        let BackendColor { rgb, .. } = self.color();
        for glyph in self.face.layout(text, self.size).0 {
            let Some(outline) = self.face.0.outline_glyph(glyph) else { continue };
            let corner = outline.px_bounds().min;
            let mut result = Ok(());
            outline.draw(|x, y, coverage| {
                if result.is_ok() && coverage > 0.0 {
                    let alpha = f64::from(coverage.min(1.0));
                    let (x, y) = (left + corner.x as i32 + x as i32, top + corner.y as i32 + y as i32);
                    result = pixel(x, y, BackendColor { alpha, rgb });
                }
            });
            if result.is_err() {
                return Ok(result);
            }
        }
        Ok(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_sign_that_figures_need_is_in_the_font() {
        let face = Typeface::load().unwrap();
        for c in "μσεθφλβ−·²⁰¹³⁴⁵⁶⁷⁸⁹⁻₁₂×±–…∞ℒ".chars() {
            assert_ne!(face.0.glyph_id(c).0, 0, "{c}");
        }
    }

    #[test]
    fn markup_lowers_and_raises_and_leaves_broken_braces_alone() {
        let levels: Vec<_> = runs("N_{z} = 10^{6}").into_iter().map(|r| (r.text, r.drop)).collect();
        assert_eq!(levels, [("N".into(), 0.0), ("z".into(), 0.16), (" = 10".into(), 0.0), ("6".to_string(), -0.38)]);
        assert_eq!(runs("a_{b")[0].text, "a_{b");
        assert_eq!(runs("wake_sleep")[0].text, "wake_sleep");
        assert_eq!(plain("N_{z} of L^{B}"), "N_z of L^B");
        assert_eq!(plain("a_{b"), "a_b");
    }

    #[test]
    fn wrapped_lines_fit() {
        let face = Typeface::load().unwrap();
        let lines = face.wrap("one two three four five six seven-hundred-and-seventy-seven", 12.0, 80.0);
        assert!(lines.len() > 3);
        assert!(lines.iter().all(|line| face.width(line, 12.0) <= 80.0));
    }
}
