//! Learning curves with a progress bar below: what is shown while a model trains.

use plotters::style::text_anchor::HPos;

use super::canvas::SCALE;
use super::curves::LearningCurves;
use super::scene::Scene;
use super::theme;
use crate::Result;

const MARGIN: f64 = 34.0;
const BAR: f64 = 8.0;
const LINE: f64 = 16.0;

/// The drawing.
pub(crate) struct CurveAndBar(Scene);

impl CurveAndBar {
    /// `done` of the bar is filled, 0 to 1; the lines stand below it.
    ///
    /// # Errors
    /// As [`LearningCurves::figure`].
    pub(crate) fn draw(curves: LearningCurves, done: f64, lines: &[String]) -> Result<Self> {
        let mut scene = curves.scene()?;
        let (top, width) = (scene.height + 2.0, scene.width - 2.0 * MARGIN);
        scene.rect([MARGIN, top, width, BAR], theme::GRID);
        scene.rect([MARGIN, top, width * done.clamp(0.0, 1.0), BAR], theme::line_colour(0));
        scene.height = top + BAR + 4.0;
        for line in lines {
            let size = scene.fitting(line, theme::TICK, width);
            scene.text(line, (MARGIN, scene.height + 0.5 * LINE), size, theme::INK, HPos::Left);
            scene.height += LINE;
        }
        scene.height += 6.0;
        #[cfg(test)]
        assert_eq!(scene.misplaced_texts(), Vec::<String>::new());
        Ok(Self(scene))
    }

    pub(crate) fn svg(&self) -> Result<String> {
        self.0.to_svg(1.0)
    }

    /// For viewers that show no SVG.
    pub(crate) fn png(&self) -> Result<Vec<u8>> {
        self.0.to_bitmap()?.shrink(SCALE as usize).encode(1.0)
    }
}
