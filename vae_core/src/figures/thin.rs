//! Fewer points of the same look: what is drawn should not take longer than there are places to draw at.

use std::collections::{BTreeSet, HashSet};

type Point = (f64, f64);

/// A line of more points than there are places along its axis, as one of the same look: of those at one place the first, the
/// lowest, the highest and the last.
pub(super) fn thin_line(points: Vec<Point>) -> Vec<Point> {
    const PLACES: f64 = 1000.0;
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return points };
    if points.len() as f64 <= 4.0 * PLACES {
        return points;
    }
    let place = |point: &Point| ((point.0 - first.0) / (last.0 - first.0).max(f64::MIN_POSITIVE) * PLACES) as i64;
    let kept = points.chunk_by(|a, b| place(a) == place(b)).flat_map(|here| {
        let by_height = |a: &usize, b: &usize| here[*a].1.total_cmp(&here[*b].1);
        let (low, high) = ((0..here.len()).min_by(by_height), (0..here.len()).max_by(by_height));
        let kept = BTreeSet::from_iter([Some(0), low, high, here.len().checked_sub(1)].into_iter().flatten());
        kept.into_iter().map(|k| here[k])
    });
    kept.collect()
}

/// Points of which there are more than can be told apart, without those that lie within a pixel of another.
pub(super) fn thin_points(points: &[(f64, f64)], pixel: f64) -> Vec<(f64, f64)> {
    const MANY: usize = 10_000;
    let mut seen = HashSet::new();
    let place = |v: f64| (v / pixel).floor() as i64;
    points.iter().copied().filter(|(x, y)| points.len() <= MANY || seen.insert((place(*x), place(*y)))).collect()
}
