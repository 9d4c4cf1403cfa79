//! A finished figure: shows itself in a notebook and exports itself.

use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use plotters::style::text_anchor::HPos;
use serde_json::{Value, json};

use super::canvas::SCALE;
use super::page::Page;
use super::paths::figures_dir;
use super::scene::Scene;
use super::text::plain;
use super::theme;
use crate::kernel::{content_block, print};
use crate::runs::provenance::Provenance;
use crate::{Error, Result};

/// A larger SVG is left out of notebooks; the PNG shows the figure there.
const LARGEST_INLINE_SVG: usize = 100_000;

/// A drawn figure with all that it was made of.
///
/// As the last expression of a notebook cell it shows itself; [`Figure::export`] writes its files.
#[derive(Clone)]
pub struct Figure {
    /// Name of its files: lower-case letters, digits, `_` and `-`.
    pub id: String,
    /// Title, as drawn.
    pub title: String,
    /// What it shows, for the JSON file and for readers without pictures.
    pub caption: String,
    /// What it was made from; the data set is also named in the drawing.
    pub provenance: Provenance,
    /// The drawing as SVG; grids of images hold their pixels as an embedded PNG.
    pub svg: String,
    /// The drawing as PNG at twice its size, for export.
    pub png: Vec<u8>,
    /// The drawing as PNG at its size, for notebooks: they show a PNG pixel by pixel.
    pub inline_png: Vec<u8>,
    /// The plotted numbers.
    pub data: Value,
    /// Characters of its texts that the typeface lacks: boxes are drawn instead, and displays and exports warn of them.
    pub missing_glyphs: String,
}

impl fmt::Debug for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (svg, png) = (self.svg.len() / 1000, self.png.len() / 1000);
        write!(f, "Figure {} ({}, svg {svg} kB, png {png} kB)", self.id, self.title)
    }
}

/// What the builders of all figures have in common.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heading {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) caption: String,
    /// What it is to be as wide as; of none given, `VAEB_REDRAW` may have one.
    pub(crate) page: Option<Page>,
}

/// The methods of a builder with a `heading`.
macro_rules! headed {
    () => {
        /// Title; `N_{z}` and `L^{B}` lower and raise in all texts of a figure.
        pub fn title(mut self, title: impl Into<String>) -> Self {
            self.heading.title = title.into();
            self
        }

        /// Caption, for the JSON file.
        pub fn caption(mut self, caption: impl Into<String>) -> Self {
            self.heading.caption = caption.into();
            self
        }

        /// Lays it out for a page so many millimetres wide, with text that can be read there.
        pub fn page_width(mut self, millimetres: f64) -> Self {
            self.heading.page = Some($crate::figures::page::Page { millimetres });
            self
        }
    };
}
pub(crate) use headed;

impl Heading {
    pub(crate) fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), ..Self::default() }
    }

    /// An error of this figure.
    pub(crate) fn error(&self, reason: impl Into<String>) -> Error {
        Error::Figure { id: self.id.clone(), reason: reason.into() }
    }

    /// An empty drawing for the page.
    pub(crate) fn scene(&self) -> Result<Scene> {
        let page = self.page.map_or_else(|| Page::of(&self.id), |page| Ok(Some(page)))?;
        if let Some(Page { millimetres }) = page.filter(|page| !page.is_one()) {
            return Err(self.error(format!("a page {millimetres} mm wide is none; give 10 to 2000")));
        }
        let mut scene = Scene::new()?;
        scene.page = page;
        Ok(scene)
    }

    /// Makes a narrow drawing as wide as a short line of its title; returns how far the rest moves to stay centred.
    pub(crate) fn widen(&self, scene: &mut Scene, width: f64) -> f64 {
        let title = scene.face.width(&self.title, theme::TITLE) + 26.0;
        scene.width = width.max(title.min(scene.room().min(380.0)));
        0.5 * (scene.width - width)
    }

    /// Draws the title over the full width; returns where the rest begins.
    pub(crate) fn draw_title(&self, scene: &mut Scene) -> f64 {
        let width = scene.width;
        scene.paragraph(&self.title, (0.5 * width, 12.0), width - 24.0, theme::TITLE) + 6.0
    }

    /// Renders `scene`, with the data set named below it.
    pub(crate) fn render(self, mut scene: Scene, provenance: Provenance, data: Value) -> Result<Figure> {
        let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        if self.id.is_empty() || self.id.len() > 100 || !self.id.chars().all(valid) {
            return Err(self.error("its id must be 1 to 100 lower-case letters, digits, `_` or `-`: it names files"));
        }
        let known = [&provenance.dataset, &provenance.preprocessing].into_iter().filter(|text| !text.is_empty());
        let data_note = known.map(String::as_str).collect::<Vec<_>>().join(", ");
        if !data_note.is_empty() {
            let note = format!("data: {data_note}");
            for line in scene.face.wrap(&note, theme::NOTE, scene.width - 20.0) {
                let at = (scene.width - 10.0, scene.height + 5.0);
                scene.text(&line, at, theme::NOTE, theme::FAINT_INK, HPos::Right);
                scene.height += 16.0;
            }
        }
        let of_this_figure = |error| match error {
            Error::Figure { id, reason } if id.is_empty() => self.error(reason),
            other => other,
        };
        let zoom = scene.page.map(|page| page.zoom(scene.width)).transpose().map_err(of_this_figure)?;
        #[cfg(test)]
        assert_eq!(scene.misplaced_texts(), Vec::<String>::new(), "{}", self.id);
        let svg = scene.to_svg(zoom.unwrap_or(1.0));
        let (svg, bitmap) = (svg.map_err(of_this_figure)?, scene.to_bitmap().map_err(of_this_figure)?);
        let encode = |shrunk: u32, zoom: f64| {
            let pixels = f64::from(SCALE / shrunk);
            bitmap.shrink(shrunk as usize).encode(pixels / zoom).map_err(of_this_figure)
        };
        let inline_png = encode(SCALE, 1.0)?;
        let png = zoom.map_or_else(|| encode(SCALE / 2, 1.0), |zoom| encode(1, zoom))?;
        let missing_glyphs = scene.missing_glyphs();
        let (title, data_note) = (plain(&self.title), plain(&data_note));
        let caption = match (plain(&self.caption), data_note.is_empty()) {
            (caption, true) => caption,
            (caption, false) if caption.is_empty() => format!("{title}. Data: {data_note}."),
            (caption, false) => format!("{caption} Data: {data_note}."),
        };
        Ok(Figure { id: self.id, title, caption, provenance, svg, png, inline_png, data, missing_glyphs })
    }
}

impl Figure {
    /// Shows the figure in a notebook; the Rust kernel calls this for the last expression of a cell.
    pub fn evcxr_display(&self) {
        self.warn();
        print(&self.display_bundle());
    }

    /// Says on standard error what a reader may miss, if anybody listens.
    fn warn(&self) {
        if !self.missing_glyphs.is_empty() {
            let missing: Vec<String> =
                self.missing_glyphs.chars().map(|c| format!("{c} (U+{:04X})", c as u32)).collect();
            let text = format!("warning: figure {}: its typeface has no {}; ", self.id, missing.join(", "));
            let _ = writeln!(std::io::stderr(), "{text}a box is drawn instead, so write it in other characters");
        }
    }

    /// The kernel's display protocol: SVG (where small), PNG and text, of which a viewer takes the best it can show.
    pub fn display_bundle(&self) -> String {
        let mut bundle = String::new();
        if self.svg.len() <= LARGEST_INLINE_SVG {
            bundle += &content_block("image/svg+xml", self.svg.trim_end());
        }
        bundle += &content_block("image/png", &BASE64_STANDARD.encode(&self.inline_png));
        let text = [self.title.as_str(), self.caption.as_str()].join("\n");
        bundle + &content_block("text/plain", text.trim())
    }

    /// Writes `<id>.svg`, `<id>.png` (2×) and `<id>.json` into [`figures_dir`] and returns their paths.
    ///
    /// # Errors
    /// If the folder cannot be found, or a file cannot be written; a file is written whole or not at all.
    pub fn export(&self) -> Result<Vec<PathBuf>> {
        self.export_to(&figures_dir())
    }

    /// As [`Figure::export`], into a folder of choice, which is made if need be.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn export_to(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        self.warn();
        let unwritten = |e| Heading::new(&self.id).error(format!("its JSON cannot be written: {e}"));
        let json = self.record().map_err(unwritten)?;
        [("svg", self.svg.as_bytes()), ("png", self.png.as_slice()), ("json", json.as_bytes())]
            .into_iter()
            .map(|(extension, bytes)| {
                let path = folder.join(format!("{}.{extension}", self.id));
                crate::files::write_atomic(&path, bytes).map(|()| path)
            })
            .collect()
    }

    /// The JSON file: laid out for reading, but for the plotted numbers, which fill one line.
    fn record(&self) -> serde_json::Result<String> {
        let Self { id, title, caption, provenance, .. } = self;
        let head = json!({"id": id, "title": title, "caption": caption, "provenance": provenance});
        let head = serde_json::to_string_pretty(&head)?;
        let data = serde_json::to_string(&self.data)?;
        Ok(format!("{},\n  \"data\": {data}\n}}\n", head.strip_suffix("\n}").unwrap_or(&head)))
    }
}
