//! A finished figure: shows itself in a notebook and exports itself.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use plotters::style::text_anchor::HPos;
use serde_json::{Value, json};

use super::canvas::SCALE;
use super::paths::figures_dir;
use super::scene::Scene;
use super::text::plain;
use super::theme;
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
}

impl fmt::Debug for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Figure {} ({}, svg {} kB, png {} kB)",
            self.id,
            self.title,
            self.svg.len() / 1000,
            self.png.len() / 1000
        )
    }
}

/// What the builders of all figures have in common.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heading {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) caption: String,
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
        #[cfg(test)]
        assert_eq!(scene.misplaced_texts(), Vec::<String>::new(), "{}", self.id);
        let of_this_figure = |error| match error {
            Error::Figure { id, reason } if id.is_empty() => self.error(reason),
            other => other,
        };
        let (svg, bitmap) = (scene.to_svg().map_err(of_this_figure)?, scene.to_bitmap().map_err(of_this_figure)?);
        let png = |zoom: u32| bitmap.shrink((SCALE / zoom) as usize).encode(f64::from(zoom)).map_err(of_this_figure);
        let (inline_png, png) = (png(1)?, png(2)?);
        let title = plain(&self.title);
        let caption = match (plain(&self.caption), data_note.is_empty()) {
            (caption, true) => caption,
            (caption, false) if caption.is_empty() => format!("{title}. Data: {data_note}."),
            (caption, false) => format!("{caption} Data: {data_note}."),
        };
        Ok(Figure { id: self.id, title, caption, provenance, svg, png, inline_png, data })
    }
}

/// One representation of a cell's value, in the Rust kernel's display protocol.
pub(crate) fn content_block(mime: &str, body: &str) -> String {
    format!("EVCXR_BEGIN_CONTENT {mime}\n{body}\nEVCXR_END_CONTENT\n")
}

impl Figure {
    /// Shows the figure in a notebook; the Rust kernel calls this for the last expression of a cell.
    pub fn evcxr_display(&self) {
        print!("{}", self.display_bundle());
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
        let json = self
            .record()
            .map_err(|e| Error::Figure { id: self.id.clone(), reason: format!("its JSON cannot be written: {e}") })?;
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
        let head = json!({
            "id": self.id,
            "title": self.title,
            "caption": self.caption,
            "provenance": self.provenance,
        });
        let head = serde_json::to_string_pretty(&head)?;
        let data = serde_json::to_string(&self.data)?;
        Ok(format!("{},\n  \"data\": {data}\n}}\n", head.strip_suffix("\n}").unwrap_or(&head)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn figure(id: &str) -> Result<Figure> {
        let heading = Heading { id: id.into(), title: "N_{z}".into(), caption: "Made up.".into() };
        let provenance = Provenance { dataset: "synthetic digits".into(), seeds: vec![3], ..Provenance::default() };
        let mut scene = Scene::new()?;
        (scene.width, scene.height) = (160.0, 50.0);
        heading.render(scene, provenance, json!({"values": [1.0, f64::NAN]}))
    }

    #[test]
    fn the_bundle_follows_the_kernels_protocol() {
        let mut figure = figure("a").unwrap();
        let bundle = figure.display_bundle();
        let begins: Vec<_> = bundle.lines().filter_map(|l| l.strip_prefix("EVCXR_BEGIN_CONTENT ")).collect();
        assert_eq!(begins, ["image/svg+xml", "image/png", "text/plain"]);
        assert_eq!(bundle.lines().filter(|l| *l == "EVCXR_END_CONTENT").count(), 3);
        assert!(
            bundle.ends_with(
                "EVCXR_BEGIN_CONTENT text/plain\nN_z\nMade up. Data: synthetic digits.\nEVCXR_END_CONTENT\n"
            )
        );
        let mut lines = bundle.lines().skip_while(|l| !l.ends_with("image/png"));
        let png = BASE64_STANDARD.decode(lines.nth(1).unwrap()).unwrap();
        assert_eq!(png, figure.inline_png);
        figure.svg = " ".repeat(LARGEST_INLINE_SVG + 1);
        assert!(!figure.display_bundle().contains("image/svg"));
        assert!(format!("{figure:?}").len() < 100);
    }

    #[test]
    fn exports_three_files_that_say_where_they_come_from() {
        let folder = tempfile::tempdir().unwrap();
        let figure = figure("fig-1_a").unwrap();
        let paths = figure.export_to(&folder.path().join("deep")).unwrap();
        assert_eq!(paths.len(), 3);
        assert!(figure.svg.contains("data: synthetic digits"));
        let record: Value = serde_json::from_slice(&std::fs::read(&paths[2]).unwrap()).unwrap();
        assert_eq!(record["provenance"]["seeds"], json!([3]));
        assert_eq!(record["data"]["values"], json!([1.0, null]));
        let reader = png::Decoder::new(std::io::Cursor::new(std::fs::read(&paths[1]).unwrap())).read_info().unwrap();
        assert_eq!((reader.info().width, reader.info().height), (320, 132));
    }

    #[test]
    fn ids_that_could_leave_the_folder_are_refused() {
        for id in ["", "../x", "a b", "Ä", "A", &"a".repeat(101)] {
            assert!(matches!(figure(id), Err(Error::Figure { .. })), "{id}");
        }
    }
}
