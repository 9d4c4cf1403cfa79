//! A figure for someone else's page: laid out for its width, so that the text can still be read.

use super::png::failed;
use super::theme;
use crate::environment;
use crate::{Error, Result};

/// The smallest text that is printed, in points.
const SMALLEST: f64 = 6.0;
const MM_PER_INCH: f64 = 25.4;
/// CSS pixels and points in an inch.
const PER_INCH: (f64, f64) = (96.0, 72.0);

/// The width of a column of text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Page {
    pub(crate) millimetres: f64,
}

impl Page {
    /// The one that `VAEB_REDRAW` has for this figure: `85mm:03_faces,03_parts`.
    pub(crate) fn of(id: &str) -> Result<Option<Self>> {
        environment::variable("VAEB_REDRAW")?.map_or(Ok(None), |text| Self::asked(&text, id))
    }

    fn asked(text: &str, id: &str) -> Result<Option<Self>> {
        let bad =
            || Error::config("VAEB_REDRAW", format!("is {text:?}; write a width and figures: 85mm:03_faces,03_parts"));
        let (width, ids) = text.split_once(':').ok_or_else(bad)?;
        let millimetres = width.strip_suffix("mm").and_then(|number| number.parse().ok()).ok_or_else(bad)?;
        Ok(ids.split(',').any(|asked| asked.trim() == id).then_some(Self { millimetres }))
    }

    pub(crate) fn is_one(self) -> bool {
        (10.0..=2000.0).contains(&self.millimetres)
    }

    fn css(self) -> f64 {
        self.millimetres / MM_PER_INCH * PER_INCH.0
    }

    /// How wide a drawing may be, in CSS pixels, for its smallest text to be readable when it is fitted into the page.
    pub(crate) fn room(self) -> f64 {
        self.css() * theme::NOTE / (SMALLEST * PER_INCH.0 / PER_INCH.1)
    }

    /// By what a drawing so wide is multiplied to fill the page.
    ///
    /// # Errors
    /// [`Error::Figure`] if its text could not be read, with the width that it takes.
    pub(crate) fn zoom(self, width: f64) -> Result<f64> {
        // lengths are rounded to whole pixels
        if width > self.room() + 2.0 {
            let points = SMALLEST * self.room() / width;
            let least = (self.millimetres * width / self.room() - 1e-6).ceil();
            return Err(failed(format!(
                "at {} mm its text would have {points:.1} points, less than {SMALLEST}; give it at least {least} mm",
                self.millimetres
            )));
        }
        // as wide as the drawing becomes, in whole pixels
        Ok(self.css() / width.ceil())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_width_is_for_the_figures_that_it_names() {
        let asked = |id| Page::asked("85.5mm:03_faces, 03_parts", id).unwrap();
        assert_eq!(asked("03_parts"), Some(Page { millimetres: 85.5 }));
        assert_eq!(asked("03"), None);
        for wrong in ["85mm", "85:a", "wide mm:a"] {
            assert!(Page::asked(wrong, "a").unwrap_err().to_string().contains("85mm:03_faces"), "{wrong}");
        }
    }

    #[test]
    fn what_is_too_wide_says_what_it_takes() {
        let page = Page { millimetres: 85.0 };
        assert!((page.zoom(page.room()).unwrap() * theme::NOTE - 8.0).abs() < 0.02); // 8 pixels are 6 points
        let said = page.zoom(2.0 * page.room()).unwrap_err().to_string();
        assert!(said.contains("3.0 points") && said.contains("at least 170 mm"), "{said}");
        assert!((Page { millimetres: 170.0 }).zoom(2.0 * page.room()).is_ok());
        assert!(page.is_one() && !(Page { millimetres: f64::NAN }).is_one());
    }
}
