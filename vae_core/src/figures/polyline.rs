//! From a series of values to the pieces of line that are seen of it.

use super::axis::{Frame, drawable};
use super::dashes::Point;

/// Deviation, in pixels, below which a point of a line is left out.
const TOLERANCE: f64 = 0.12;

/// The visible pieces of a curve in `frame`: broken at values that cannot be drawn, cut at the frame's edges, and
/// without the points that would not be seen. A piece of one point is a value between two gaps.
pub(crate) fn pieces(frame: &Frame, x: &[f64], y: &[f64]) -> Vec<Vec<Point>> {
    let mut pieces = Vec::new();
    let mut run: Vec<Point> = Vec::new();
    let mut finish = |run: &mut Vec<Point>| {
        let run = std::mem::take(run);
        match run.as_slice() {
            [] => {}
            [(px, py)] => {
                if inside(frame, (*px, *py)) {
                    pieces.push(run);
                }
            }
            _ => pieces.extend(clip(frame, &run).iter().map(|piece| simplify(piece))),
        }
    };
    for (&x, &y) in x.iter().zip(y) {
        if drawable(x) && drawable(y) && frame.x.position(x).is_finite() {
            run.push(frame.at(x, y));
        } else {
            finish(&mut run);
        }
    }
    finish(&mut run);
    pieces
}

/// The outline of the band between `low` and `high`, one polygon per stretch without gaps.
pub(crate) fn bands(frame: &Frame, x: &[f64], band: &[(f64, f64)]) -> Vec<Vec<Point>> {
    let mut polygons = Vec::new();
    let (mut lower, mut upper): (Vec<Point>, Vec<Point>) = (Vec::new(), Vec::new());
    let mut finish = |lower: &mut Vec<Point>, upper: &mut Vec<Point>| {
        let (mut outline, back) = (simplify(&std::mem::take(lower)), simplify(&std::mem::take(upper)));
        if outline.len() > 1 {
            outline.extend(back.into_iter().rev());
            polygons.push(outline);
        }
    };
    for (&x, &(low, high)) in x.iter().zip(band) {
        if drawable(low) && drawable(high) && frame.x.contains(x) {
            let within = |(px, py): Point| (px, py.clamp(frame.top, frame.bottom()));
            lower.push(within(frame.at(x, low)));
            upper.push(within(frame.at(x, high)));
        } else {
            finish(&mut lower, &mut upper);
        }
    }
    finish(&mut lower, &mut upper);
    polygons
}

fn inside(frame: &Frame, (x, y): Point) -> bool {
    (frame.left - 0.5..=frame.right() + 0.5).contains(&x) && (frame.top - 0.5..=frame.bottom() + 0.5).contains(&y)
}

/// Cuts a line at the frame's edges (Liang and Barsky, segment by segment).
fn clip(frame: &Frame, points: &[Point]) -> Vec<Vec<Point>> {
    let mut pieces: Vec<Vec<Point>> = Vec::new();
    for pair in points.windows(2) {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        let (dx, dy) = (x1 - x0, y1 - y0);
        let (mut enter, mut leave) = (0.0f64, 1.0f64);
        for (delta, from, low, high) in [(dx, x0, frame.left, frame.right()), (dy, y0, frame.top, frame.bottom())] {
            if delta == 0.0 {
                if from < low - 1e-6 || from > high + 1e-6 {
                    leave = -1.0;
                }
            } else {
                let (a, b) = ((low - from) / delta, (high - from) / delta);
                enter = enter.max(a.min(b));
                leave = leave.min(a.max(b));
            }
        }
        if enter > leave {
            continue;
        }
        // Clamped, for rounding where a value lies very far out.
        let at = |t: f64| {
            let (x, y) = if t == 1.0 { (x1, y1) } else { (x0 + t * dx, y0 + t * dy) };
            (x.clamp(frame.left, frame.right()), y.clamp(frame.top, frame.bottom()))
        };
        let continues = enter == 0.0 && pieces.last().and_then(|p| p.last()) == Some(&(x0, y0));
        if !continues {
            pieces.push(vec![at(enter)]);
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(at(leave));
        }
    }
    pieces
}

/// Douglas and Peucker's simplification: no point of the result's line is farther than [`TOLERANCE`] from the original.
fn simplify(points: &[Point]) -> Vec<Point> {
    if points.len() < 3 {
        return points.to_vec();
    }
    let mut keep = vec![false; points.len()];
    keep[0] = true;
    keep[points.len() - 1] = true;
    let mut todo = vec![(0, points.len() - 1)];
    while let Some((first, last)) = todo.pop() {
        let farthest = (first + 1..last)
            .map(|i| (i, distance(points[i], points[first], points[last])))
            .max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((i, d)) = farthest
            && d > TOLERANCE
        {
            keep[i] = true;
            todo.extend([(first, i), (i, last)]);
        }
    }
    points.iter().zip(keep).filter_map(|(p, keep)| keep.then_some(*p)).collect()
}

/// Distance of `p` from the segment `a`–`b`.
fn distance(p: Point, a: Point, b: Point) -> f64 {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let length = dx * dx + dy * dy;
    let t = if length > 0.0 { (((p.0 - a.0) * dx + (p.1 - a.1) * dy) / length).clamp(0.0, 1.0) } else { 0.0 };
    (p.0 - a.0 - t * dx).hypot(p.1 - a.1 - t * dy)
}

/// The range that holds all but stray values: a share of `stray` of the curve's drawn length may fall out at either end,
/// where it would stretch the range by more than a quarter. Values that are twenty times as far out as 90 % of all are
/// not counted: on a logarithmic axis two wild points at the start can be a long stretch.
pub(crate) fn core_range(positions: &[f64], values: &[f64], stray: f64) -> Option<(f64, f64)> {
    let points: Vec<Point> =
        positions.iter().zip(values).map(|(&p, &v)| (p, v)).filter(|(p, v)| drawable(*p) && drawable(*v)).collect();
    let mut weighted: Vec<(f64, f64)> = (0..points.len())
        .map(|i| {
            let before = points[i].0 - points[i.saturating_sub(1)].0;
            let after = points[(i + 1).min(points.len() - 1)].0 - points[i].0;
            (points[i].1, (before + after).max(1e-9))
        })
        .collect();
    weighted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let few = weighted.len() / 20;
    let (low, high) = (weighted.get(few)?.0, weighted.get(weighted.len() - 1 - few)?.0);
    let far = 20.0 * (high - low);
    weighted.retain(|w| (low - far..=high + far).contains(&w.0));
    let total: f64 = weighted.iter().map(|w| w.1).sum();
    let quantile = |share: f64| {
        let mut sum = 0.0;
        weighted.iter().find(|w| {
            sum += w.1;
            sum >= share * total
        })
    };
    let (low, high) = (quantile(stray)?.0, quantile(1.0 - stray)?.0);
    let (min, max) = (weighted.first()?.0, weighted.last()?.0);
    let slack = 0.25 * (high - low);
    Some((if min >= low - slack { min } else { low - slack }, if max <= high + slack { max } else { high + slack }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::axis::Axis;
    use super::*;
    use proptest::prelude::*;

    fn frame() -> Frame {
        Frame {
            left: 10.0,
            top: 5.0,
            width: 100.0,
            height: 50.0,
            x: Axis::linear(0.0, 10.0),
            y: Axis::linear(0.0, 1.0),
        }
    }

    #[test]
    fn gaps_break_and_edges_cut() {
        let x: Vec<f64> = (0..7).map(f64::from).collect();
        let found = pieces(&frame(), &x, &[0.5, 0.5, f64::NAN, 0.2, f64::INFINITY, 0.5, 1.5]);
        assert_eq!(found.len(), 3);
        assert_eq!(found[1].len(), 1);
        assert_eq!(*found[2].last().unwrap(), (65.0, 5.0));
    }

    #[test]
    fn a_wild_start_does_not_set_the_range() {
        let positions: Vec<f64> = (0..100).map(f64::from).collect();
        let mut values: Vec<f64> = (0..100).map(|i| -200.0 + f64::from(i)).collect();
        values[0] = -1e6;
        values[1] = f64::NAN;
        let (low, high) = core_range(&positions, &values, 0.05).unwrap();
        assert!(low > -230.0 && low < -190.0 && high == -101.0, "{low} {high}");
        let positions: Vec<f64> = (1..=400).map(|i| f64::from(i).log10()).collect();
        let mut values: Vec<f64> = positions.iter().map(|p| -105.0 - 60.0 * 10f64.powf(-0.5 * p)).collect();
        (values[0], values[1]) = (-5000.0, -3000.0);
        let (low, high) = core_range(&positions, &values, 0.05).unwrap();
        assert!(low > -150.0 && low <= -135.0 && high > -109.0, "{low} {high}");
        assert_eq!(core_range(&[1.0], &[3.0], 0.05), Some((3.0, 3.0)));
        assert_eq!(core_range(&[1.0], &[f64::NAN], 0.05), None);
    }

    proptest! {
        #[test]
        fn nothing_leaves_the_frame(y in prop::collection::vec(prop_oneof![Just(f64::NAN), -3.0..3.0f64, Just(1e100)], 0..40)) {
            let x: Vec<f64> = (0..y.len()).map(|i| i as f64 * 0.5 - 2.0).collect();
            for point in pieces(&frame(), &x, &y).into_iter().flatten() {
                prop_assert!(inside(&frame(), point), "{:?}", point);
            }
        }

        #[test]
        fn simplified_lines_stay_close(y in prop::collection::vec(0.0..50.0f64, 2..60)) {
            let points: Vec<Point> = y.iter().enumerate().map(|(i, &y)| (i as f64 * 0.3, y)).collect();
            let simple = simplify(&points);
            for p in &points {
                let near = simple.windows(2).map(|s| distance(*p, s[0], s[1])).fold(f64::INFINITY, f64::min);
                prop_assert!(near <= TOLERANCE + 1e-9);
            }
        }
    }
}
