//! Dashed lines.

/// A point in CSS pixels.
pub(crate) type Point = (f64, f64);

/// The visible pieces of a line drawn with dashes and gaps of the given lengths.
pub(crate) fn dashes(points: &[Point], (dash, gap): (f64, f64)) -> Vec<Vec<Point>> {
    let (mut pieces, mut piece) = (Vec::new(), Vec::new());
    let (mut on, mut left) = (true, dash);
    for pair in points.windows(2) {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        let length = (x1 - x0).hypot(y1 - y0);
        let at = |d: f64| (x0 + (x1 - x0) * d / length, y0 + (y1 - y0) * d / length);
        if on && piece.is_empty() {
            piece.push((x0, y0));
        }
        let mut done = 0.0;
        while length - done > left {
            done += left;
            if on {
                piece.push(at(done));
                pieces.push(std::mem::take(&mut piece));
            } else {
                piece.push(at(done));
            }
            on = !on;
            left = if on { dash } else { gap };
        }
        left -= length - done;
        if on {
            piece.push((x1, y1));
        }
    }
    if piece.len() > 1 {
        pieces.push(piece);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_cover_their_share_of_the_line() {
        let pieces = dashes(&[(0.0, 0.0), (3.0, 0.0), (3.0, 97.0)], (6.0, 4.0));
        let length: f64 =
            pieces.iter().flat_map(|p| p.windows(2)).map(|p| (p[1].0 - p[0].0).hypot(p[1].1 - p[0].1)).sum();
        assert_eq!(pieces.len(), 10);
        assert!((length - 60.0).abs() < 1e-9, "{length}");
    }
}
