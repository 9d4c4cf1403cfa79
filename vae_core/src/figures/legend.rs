//! A legend in rows, set outside the plotted area.

use plotters::style::RGBColor;

use super::scene::Scene;
use super::text::Anchor;
use super::theme;

/// What stands before a label.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Key {
    Line { colour: RGBColor, width: f64, dashed: bool },
    Box { colour: RGBColor },
}

/// One label with its key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) label: String,
}

const KEY: f64 = 26.0;
const ROW: f64 = 18.0;
const GAP: f64 = 18.0;

/// Rows of entries no wider than `width`.
fn rows(scene: &Scene, entries: &[Entry], width: f64) -> Vec<(f64, Vec<Entry>)> {
    let mut rows: Vec<(f64, Vec<Entry>)> = Vec::new();
    for entry in entries {
        let need = KEY + 6.0 + scene.face.width(&entry.label, theme::TICK);
        match rows.last_mut() {
            Some((used, row)) if *used + GAP + need <= width => {
                *used += GAP + need;
                row.push(entry.clone());
            }
            _ => rows.push((need, vec![entry.clone()])),
        }
    }
    rows
}

/// Height of the legend at the given width.
pub(crate) fn height(scene: &Scene, entries: &[Entry], width: f64) -> f64 {
    ROW * rows(scene, entries, width).len() as f64
}

/// Draws the rows centred in `left..left + width`, from `top` downwards.
pub(crate) fn draw(scene: &mut Scene, entries: &[Entry], left: f64, top: f64, width: f64) {
    let mut y = top + 0.5 * ROW;
    for (used, row) in rows(scene, entries, width) {
        let mut x = left + (0.5 * (width - used)).max(0.0);
        for entry in row {
            match entry.key {
                Key::Line { colour, width, dashed: true } => {
                    scene.dashed(&[(x, y), (x + KEY, y)], colour, width);
                }
                Key::Line { colour, width, .. } => scene.line(vec![(x, y), (x + KEY, y)], colour, width),
                Key::Box { colour } => scene.rect([x + KEY - 14.0, y - 5.5, 14.0, 11.0], colour),
            }
            let size = theme::TICK;
            let advance = KEY + 6.0 + scene.face.width(&entry.label, size) + GAP;
            scene.text(entry.label, (x + KEY + 6.0, y), size, theme::INK, Anchor::Start);
            x += advance;
        }
        y += ROW;
    }
}
