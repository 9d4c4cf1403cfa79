//! A legend beside or below the plotted area: plotters' own stands inside it, in one column, over the curves.

use plotters::style::RGBColor;
use plotters::style::text_anchor::HPos;

use super::scene::Scene;
use super::theme;
use crate::Result;

/// What stands before a label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Key {
    Line { colour: RGBColor, width: f64, dashed: bool },
    Box { colour: RGBColor },
}

const KEY: f64 = 26.0;
const GAP: f64 = 18.0;
/// Height of a row.
pub(crate) const ROW: f64 = 20.0;

/// Labels with their keys.
pub(crate) struct Legend(pub(crate) Vec<(Key, String)>);

impl Legend {
    fn entry_width(scene: &Scene, label: &str) -> f64 {
        KEY + 6.0 + scene.face.width(label, theme::TICK)
    }

    /// Width of the widest entry.
    pub(crate) fn width(&self, scene: &Scene) -> f64 {
        self.0.iter().map(|(_, label)| Self::entry_width(scene, label)).fold(0.0, f64::max)
    }

    /// Draws the entries from `top` downwards, as many in a row as fit into `width`; the rows are centred in it, or all
    /// begin at `left` where there is one entry a row. Returns the bottom.
    pub(crate) fn draw(&self, scene: &mut Scene, left: f64, top: f64, width: f64) -> Result<f64> {
        let mut rows: Vec<(f64, Vec<usize>)> = Vec::new();
        for (i, (_, label)) in self.0.iter().enumerate() {
            let need = Self::entry_width(scene, label);
            match rows.last_mut() {
                Some((used, row)) if *used + GAP + need <= width => {
                    *used += GAP + need;
                    row.push(i);
                }
                _ => rows.push((need, vec![i])),
            }
        }
        let mut y = top + 0.5 * ROW;
        for (used, row) in rows {
            let mut x = left + (0.5 * (width - used)).max(0.0);
            for i in row {
                let (key, label) = &self.0[i];
                match *key {
                    Key::Line { colour, width, dashed: true } => {
                        scene.dashed(&[(x, y), (x + KEY, y)], colour, width)?
                    }
                    Key::Line { colour, width, .. } => scene.line(&[(x, y), (x + KEY, y)], colour, width),
                    Key::Box { colour } => scene.rect([x + KEY - 14.0, y - 5.5, 14.0, 11.0], colour),
                }
                scene.text(label, (x + KEY + 6.0, y), theme::TICK, theme::INK, HPos::Left);
                x += Self::entry_width(scene, label) + GAP;
            }
            y += ROW;
        }
        Ok(y - 0.5 * ROW)
    }
}
