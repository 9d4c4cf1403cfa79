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
const COLUMN_ROW: f64 = 22.0;

/// Rows of entries no wider than `width`.
fn rows(scene: &Scene, entries: &[Entry], width: f64) -> Vec<(f64, Vec<Entry>)> {
    let mut rows: Vec<(f64, Vec<Entry>)> = Vec::new();
    for entry in entries {
        let need = entry_width(scene, entry);
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

/// Draws one entry a row, aligned at the left, about the given middle; for a free place beside other panels.
pub(crate) fn draw_column(scene: &mut Scene, entries: &[Entry], left: f64, middle: f64) {
    let mut y = middle - 0.5 * (entries.len() as f64 - 1.0) * COLUMN_ROW;
    for entry in entries {
        draw_entry(scene, entry, left, y);
        y += COLUMN_ROW;
    }
}

/// Height of [`draw_column`].
pub(crate) fn column_height(entries: &[Entry]) -> f64 {
    COLUMN_ROW * entries.len() as f64
}

/// Width of [`draw_column`].
pub(crate) fn column_width(scene: &Scene, entries: &[Entry]) -> f64 {
    entries.iter().map(|entry| entry_width(scene, entry)).fold(0.0, f64::max)
}

/// Draws the rows centred in `left..left + width`, from `top` downwards.
pub(crate) fn draw(scene: &mut Scene, entries: &[Entry], left: f64, top: f64, width: f64) {
    let mut y = top + 0.5 * ROW;
    for (used, row) in rows(scene, entries, width) {
        let mut x = left + (0.5 * (width - used)).max(0.0);
        for entry in row {
            draw_entry(scene, &entry, x, y);
            x += entry_width(scene, &entry) + GAP;
        }
        y += ROW;
    }
}

fn entry_width(scene: &Scene, entry: &Entry) -> f64 {
    KEY + 6.0 + scene.face.width(&entry.label, theme::TICK)
}

fn draw_entry(scene: &mut Scene, entry: &Entry, x: f64, y: f64) {
    match entry.key {
        Key::Line { colour, width, dashed: true } => scene.dashed(&[(x, y), (x + KEY, y)], colour, width),
        Key::Line { colour, width, .. } => scene.line(vec![(x, y), (x + KEY, y)], colour, width),
        Key::Box { colour } => scene.rect([x + KEY - 14.0, y - 5.5, 14.0, 11.0], colour),
    }
    scene.text(&entry.label, (x + KEY + 6.0, y), theme::TICK, theme::INK, Anchor::Start);
}
