//! Text: one bundled typeface, measured and drawn the same in SVG and in bitmaps, with sub- and superscripts.

use ab_glyph::{Font, FontRef, Glyph, OutlinedGlyph, PxScale, point};

use super::png::failed;
use crate::Result;

/// For SVG viewers; Verdana has nearly the same widths.
pub(crate) const FAMILY: &str = "DejaVu Sans, Verdana, sans-serif";
/// Height of capitals and digits, in units of the size.
pub(crate) const CAP_HEIGHT: f64 = 0.729;
/// Distance of lines, in units of the size.
pub(crate) const LINE: f64 = 1.3;
/// Size of a raised or lowered run.
const SCRIPT: f64 = 0.72;

/// DejaVu Sans: Greek letters, superscripts, a real minus.
#[derive(Clone)]
pub(crate) struct Typeface(FontRef<'static>);

impl Typeface {
    pub(crate) fn load() -> Result<Self> {
        FontRef::try_from_slice(dejavu::sans::regular())
            .map(Self)
            .map_err(|e| failed(format!("the bundled font cannot be read: {e}")))
    }

    /// Width of `text` (with markup) at `size`.
    pub(crate) fn width(&self, text: &str, size: f64) -> f64 {
        runs(text).iter().map(|run| self.layout(&run.text, size * run.scale, (0.0, 0.0)).1).sum()
    }

    /// The widest of `texts`; 0 if there are none.
    pub(crate) fn widest<'a>(&self, texts: impl IntoIterator<Item = &'a String>, size: f64) -> f64 {
        texts.into_iter().map(|text| self.width(text, size)).fold(0.0, f64::max)
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

    /// The beginning of `text`, and "…", where all of it is wider than `width`.
    pub(crate) fn cut(&self, text: &str, size: f64, width: f64) -> String {
        if self.width(text, size) <= width {
            return text.to_owned();
        }
        let fits = |end: &(usize, char)| self.width(&text[..end.0], size) + self.width("…", size) <= width;
        let end = text.char_indices().take_while(fits).last().map_or(0, |end| end.0);
        format!("{}…", text[..end].trim_end())
    }

    pub(crate) fn has(&self, c: char) -> bool {
        self.0.glyph_id(c).0 != 0
    }

    /// The glyphs of a run whose baseline begins at `(x, y)`, and where it ends.
    fn layout(&self, text: &str, size: f64, (mut x, y): (f64, f64)) -> (Vec<Glyph>, f64) {
        let units = f64::from(self.0.units_per_em().unwrap_or(2048.0));
        let scale = PxScale::from((size * f64::from(self.0.height_unscaled()) / units) as f32);
        let (mut before, mut glyphs) = (None, Vec::new());
        for c in text.chars() {
            let id = self.0.glyph_id(c);
            let kern = before.map_or(0.0, |before| self.0.kern_unscaled(before, id));
            x += f64::from(kern) * size / units;
            glyphs.push(id.with_scale_and_position(scale, point(x as f32, y as f32)));
            x += f64::from(self.0.h_advance_unscaled(id)) * size / units;
            before = Some(id);
        }
        (glyphs, x)
    }

    /// The outlines of a run whose baseline begins at `from`, and where it ends.
    pub(crate) fn outlines(&self, text: &str, size: f64, from: (f64, f64)) -> (Vec<OutlinedGlyph>, f64) {
        let (glyphs, end) = self.layout(text, size, from);
        (glyphs.into_iter().filter_map(|glyph| self.0.outline_glyph(glyph)).collect(), end)
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

/// What XML cannot hold, and nobody can see: control characters, such as those of coloured terminals, and two that are none.
fn printable(c: char) -> char {
    match c {
        '\n' => c,
        '\t' => ' ',
        c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

/// Splits markup into runs: `N_{z}` lowers, `L^{B}` raises.
pub(crate) fn runs(text: &str) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut push = |text: &str, scale, drop| {
        if !text.is_empty() {
            runs.push(Run { text: text.chars().map(printable).collect(), scale, drop });
        }
    };
    let mut rest = text;
    while let Some(start) = [rest.find("_{"), rest.find("^{")].into_iter().flatten().min() {
        let Some(length) = rest[start..].find('}') else {
            break;
        };
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
    let mark = |run: &Run| match run.drop {
        0.0 => "",
        drop if drop > 0.0 => "_",
        _ => "^",
    };
    runs(text).iter().map(|run| format!("{}{}", mark(run), run.text)).collect()
}
