//! A plotters back end that keeps what is drawn, and writes it as SVG and as bitmap.
//!
//! plotters has whole-pixel coordinates; here they are quarters of a CSS pixel, fine enough for curves. The bitmap is
//! drawn by plotters' own back end and averaged. Ours: text, because plotters' `ab_glyph` text knows no sub- and
//! superscripts, sets the baseline too high and needs a font in a global table, which every notebook cell has anew; and
//! the SVG, because plotters' makes an element of every dash, three times the size.

use std::convert::Infallible;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ndarray::Array2;
use plotters::prelude::{BitMapBackend, Color, DrawingBackend, RGBAColor, RGBColor, ShapeStyle};
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{BackendColor, BackendStyle, BackendTextStyle, DrawingErrorKind, FontTransform};

use super::png::{Bitmap, encode_grey, failed};
use super::text::{CAP_HEIGHT, FAMILY, LINE, Typeface, runs};
use crate::Result;

/// Back end pixels per CSS pixel.
pub(crate) const SCALE: u32 = 4;
/// Largest side of a drawing in CSS pixels: 4096 pixels a side are 800 MB at [`SCALE`].
pub(crate) const LARGEST: u32 = 4096;

/// A place in back end pixels.
pub(crate) type Point = (i32, i32);
type Drawn<E = Infallible> = std::result::Result<(), DrawingErrorKind<E>>;

/// A line of text whose capitals are centred across its direction of reading on `at`.
pub(crate) struct Label {
    pub(crate) text: String,
    pub(crate) at: Point,
    pub(crate) size: f64,
    pub(crate) colour: RGBColor,
    pub(crate) anchor: HPos,
    /// Read from bottom to top.
    pub(crate) upward: bool,
}

/// An image is grey pixels, stretched without smoothing.
pub(crate) enum Mark {
    Lines { lines: Vec<Vec<Point>>, style: ShapeStyle },
    Area { outline: Vec<Point>, colour: RGBAColor },
    Rect { from: Point, to: Point, colour: RGBAColor },
    Image { from: Point, to: Point, pixels: Array2<u8> },
    Text(Label),
}

/// The marks of a drawing, in drawing order.
pub(crate) struct Canvas {
    pub(crate) marks: Vec<Mark>,
    face: Typeface,
}

fn rgba(BackendColor { alpha, rgb: (r, g, b) }: BackendColor) -> RGBAColor {
    RGBAColor(r, g, b, alpha)
}

impl DrawingBackend for Canvas {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        (1 << 24, 1 << 24)
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): Point, colour: BackendColor) -> Drawn {
        self.draw_rect((x, y), (x + 1, y + 1), &colour, true)
    }

    fn draw_line<S: BackendStyle>(&mut self, from: Point, to: Point, style: &S) -> Drawn {
        self.draw_path([from, to], style)
    }

    fn draw_rect<S: BackendStyle>(&mut self, from: Point, to: Point, style: &S, fill: bool) -> Drawn {
        if !fill {
            return self.draw_path([from, (to.0, from.1), to, (from.0, to.1), from], style);
        }
        // Without area, say the bar of a zero, it is not seen.
        if from.0 < to.0 && from.1 < to.1 {
            self.marks.push(Mark::Rect { from, to, colour: rgba(style.color()) });
        }
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = Point>>(&mut self, path: I, style: &S) -> Drawn {
        self.line(path, Color::stroke_width(&rgba(style.color()), style.stroke_width()));
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(&mut self, (x, y): Point, radius: u32, style: &S, fill: bool) -> Drawn {
        let corner = |i: u32| (f64::from(i) / 16.0 * std::f64::consts::TAU).sin_cos();
        let place = |side: f64| (f64::from(radius) * side).round() as i32;
        let outline = (0..=16).map(corner).map(|(sin, cos)| (x + place(cos), y + place(sin)));
        if fill { self.fill_polygon(outline, style) } else { self.draw_path(outline, style) }
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = Point>>(&mut self, outline: I, style: &S) -> Drawn {
        let mut outline: Vec<Point> = outline.into_iter().collect();
        outline.dedup();
        if outline.len() > 2 {
            self.marks.push(Mark::Area { outline, colour: rgba(style.color()) });
        }
        Ok(())
    }

    fn draw_text<T: BackendTextStyle>(&mut self, text: &str, style: &T, at: Point) -> Drawn {
        self.text(text, style, at);
        Ok(())
    }
}

impl Canvas {
    pub(crate) fn new(face: Typeface) -> Self {
        Self { marks: Vec::new(), face }
    }

    /// A line; lines of one style that follow one another become one mark.
    pub(crate) fn line(&mut self, line: impl IntoIterator<Item = Point>, style: ShapeStyle) {
        let mut line: Vec<Point> = line.into_iter().collect();
        line.dedup();
        match self.marks.last_mut() {
            _ if line.len() < 2 || style.color.3 == 0.0 => {}
            Some(Mark::Lines { lines, style: last }) if *last == style => lines.push(line),
            _ => self.marks.push(Mark::Lines { lines: vec![line], style }),
        }
    }

    /// Lines of text, each a mark.
    pub(crate) fn text<T: BackendTextStyle>(&mut self, text: &str, style: &T, (x, y): Point) {
        let (size, anchor, BackendColor { rgb: (r, g, b), .. }) = (style.size(), style.anchor(), style.color());
        let upward = matches!(style.transform(), FontTransform::Rotate270);
        let more = text.matches('\n').count() as f64;
        let first = match anchor.v_pos {
            VPos::Top => 0.5,
            VPos::Center => -0.5 * LINE * more,
            VPos::Bottom => -0.6 - LINE * more,
        };
        for (i, line) in text.split('\n').enumerate().filter(|(_, line)| !line.is_empty()) {
            let across = (size * (first + LINE * i as f64)).round() as i32;
            let at = if upward { (x + across, y) } else { (x, y + across) };
            let (text, colour) = (line.to_owned(), RGBColor(r, g, b));
            self.marks.push(Mark::Text(Label { text, at, size, colour, anchor: anchor.h_pos, upward }));
        }
    }

    /// The drawing of the given size in CSS pixels, as SVG that is shown `zoom` times as large.
    pub(crate) fn svg(&self, (width, height): (u32, u32), zoom: f64) -> Result<String> {
        let [shown_width, shown_height] = [width, height].map(|side| (f64::from(side) * zoom * 100.0).round() / 100.0);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{shown_width}\" height=\"{shown_height}\" \
             viewBox=\"0 0 {} {}\" fill=\"none\" stroke-linejoin=\"round\" font-family=\"{FAMILY}\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
            width * SCALE,
            height * SCALE
        );
        for mark in &self.marks {
            svg += &match mark {
                Mark::Lines { lines, style } => {
                    let d: String = lines.iter().map(|line| path(line)).collect();
                    format!(
                        "<path {} stroke-width=\"{}\" d=\"{d}\"/>\n",
                        paint("stroke", style.color),
                        style.stroke_width
                    )
                }
                Mark::Area { outline, colour } => {
                    format!("<path {} d=\"{}z\"/>\n", paint("fill", *colour), path(outline))
                }
                Mark::Rect { from: (x, y), to, colour } => {
                    let (w, h, fill) = (to.0 - x, to.1 - y, paint("fill", *colour));
                    format!("<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" {fill}/>\n")
                }
                Mark::Text(label) => label.svg(),
                Mark::Image { pixels, from: (x, y), to } => format!(
                    "<image x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\" \
                     style=\"image-rendering:pixelated\" href=\"data:image/png;base64,{}\"/>\n",
                    to.0 - x,
                    to.1 - y,
                    BASE64_STANDARD.encode(encode_grey(pixels)?)
                ),
            };
        }
        Ok(svg + "</svg>\n")
    }

    /// The drawing of the given size in CSS pixels, [`SCALE`] pixels for each.
    pub(crate) fn bitmap(&self, (width, height): (u32, u32)) -> Result<Bitmap> {
        let (width, height) = (width * SCALE, height * SCALE);
        let mut rgb = vec![255; 3 * width as usize * height as usize];
        let mut backend = BitMapBackend::with_buffer(&mut rgb, (width, height));
        self.marks.iter().try_for_each(|mark| self.rasterise(mark, &mut backend)).map_err(failed)?;
        backend.present().map_err(failed)?;
        drop(backend);
        Ok(Bitmap { width: width as usize, height: height as usize, rgb })
    }

    fn rasterise<B: DrawingBackend>(&self, mark: &Mark, to: &mut B) -> Drawn<B::ErrorType> {
        match mark {
            // plotters' thick paths leave notches where a noisy curve turns sharply: pieces and round joints do not.
            Mark::Lines { lines, style } => lines.iter().try_for_each(|line| {
                line.windows(2).try_for_each(|pair| to.draw_line(pair[0], pair[1], style))?;
                let joints = line.iter().take(line.len() - 1).skip(1);
                joints.into_iter().try_for_each(|&joint| to.draw_circle(joint, style.stroke_width / 2, style, true))
            }),
            Mark::Area { outline, colour } => to.fill_polygon(outline.iter().copied(), colour),
            Mark::Rect { from, to: end, colour } => to.draw_rect(*from, *end, colour, true),
            Mark::Text(label) => label.rasterise(&self.face, to),
            Mark::Image { pixels, from, to: end } => {
                let (w, h) = ((end.0 - from.0).max(0) as usize, (end.1 - from.1).max(0) as usize);
                let grey = |i: usize| pixels[[i / w * pixels.nrows() / h, i % w * pixels.ncols() / w]];
                let block: Vec<u8> = (0..w * h).flat_map(|i| [grey(i); 3]).collect();
                to.blit_bitmap(*from, (w as u32, h as u32), &block)
            }
        }
    }
}

/// The attribute of a colour.
fn paint(attribute: &str, RGBAColor(r, g, b, alpha): RGBAColor) -> String {
    let opacity = if alpha < 1.0 { format!(" {attribute}-opacity=\"{alpha}\"") } else { String::new() };
    format!("{attribute}=\"#{r:02x}{g:02x}{b:02x}\"{opacity}")
}

/// A line as path data: steps from point to point are shorter than coordinates.
fn path(points: &[Point]) -> String {
    let steps = points.windows(2).map(|p| format!("{},{}", p[1].0 - p[0].0, p[1].1 - p[0].1));
    points.first().map_or(String::new(), |p| format!("M{},{}l{}", p.0, p.1, steps.collect::<Vec<_>>().join(" ")))
}

impl Label {
    fn svg(&self) -> String {
        let Self { at: (x, y), size, .. } = *self;
        let anchor = match self.anchor {
            HPos::Left => "",
            HPos::Center => " text-anchor=\"middle\"",
            HPos::Right => " text-anchor=\"end\"",
        };
        let turn = if self.upward { format!(" transform=\"rotate(-90 {x} {y})\"") } else { String::new() };
        let (baseline, mut drop, mut inner) = ((f64::from(y) + 0.5 * CAP_HEIGHT * size).round(), 0.0, String::new());
        for run in runs(&self.text) {
            let text = run.text.replace('&', "&amp;").replace('<', "&lt;");
            let (dy, run_size) = (((run.drop - drop) * size).round(), (run.scale * size).round());
            let moved = run.drop != drop || run.scale != 1.0;
            inner += &if moved { format!("<tspan dy=\"{dy}\" font-size=\"{run_size}\">{text}</tspan>") } else { text };
            drop = run.drop;
        }
        let fill = paint("fill", self.colour.to_rgba());
        format!("<text x=\"{x}\" y=\"{baseline}\" font-size=\"{size}\" {fill}{anchor}{turn}>{inner}</text>\n")
    }

    /// How far before `at` the text begins.
    pub(crate) fn before(&self, width: f64) -> f64 {
        match self.anchor {
            HPos::Left => 0.0,
            HPos::Center => 0.5 * width,
            HPos::Right => width,
        }
    }

    fn rasterise<B: DrawingBackend>(&self, face: &Typeface, to: &mut B) -> Drawn<B::ErrorType> {
        let mut along = -self.before(face.width(&self.text, self.size));
        let rgb = (self.colour.0, self.colour.1, self.colour.2);
        for run in runs(&self.text) {
            let from = (along, (0.5 * CAP_HEIGHT + run.drop) * self.size);
            let (glyphs, end) = face.outlines(&run.text, self.size * run.scale, from);
            for glyph in glyphs {
                let (corner, mut pixels) = (glyph.px_bounds().min, Vec::new());
                glyph.draw(|x, y, coverage| pixels.push((x as i32, y as i32, f64::from(coverage.min(1.0)))));
                for (right, down, alpha) in pixels.into_iter().filter(|pixel| pixel.2 > 0.0) {
                    let (right, down) = (corner.x as i32 + right, corner.y as i32 + down);
                    let (x, y) = self.at;
                    let at = if self.upward { (x + down, y - right) } else { (x + right, y + down) };
                    to.draw_pixel(at, BackendColor { alpha, rgb })?;
                }
            }
            along = end;
        }
        Ok(())
    }
}
