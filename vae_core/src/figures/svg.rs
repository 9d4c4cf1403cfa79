//! Smaller SVG than plotters writes.

/// Joins neighbouring polylines of one style into one path (the dashes of a line, a third of the size) and leaves out
/// attributes that say what holds anyway.
pub(crate) fn join_pieces(svg: &str) -> String {
    let mut joined = String::with_capacity(svg.len());
    let mut style = "";
    for line in svg.lines() {
        let piece = line.strip_prefix("<polyline ").and_then(|rest| rest.split_once(" points=\""));
        if let Some((piece_style, points)) = piece {
            if piece_style != style {
                close_path(&mut joined, &mut style);
                joined += &format!("<path {piece_style} d=\"");
                style = piece_style;
            }
            joined += &format!("M{}", points.trim_end_matches(['/', '>', '"', ' ']));
        } else {
            close_path(&mut joined, &mut style);
            joined += line;
            joined.push('\n');
        }
    }
    joined.replace(" opacity=\"1\"", "").replace(" stroke=\"none\"", "")
}

fn close_path(svg: &mut String, style: &mut &str) {
    if !style.is_empty() {
        svg.push_str("\"/>\n");
        *style = "";
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::scene::Scene;
    use super::super::theme;

    #[test]
    fn dashes_become_one_path() {
        let mut scene = Scene::new(60.0, 40.0).unwrap();
        scene.dashed(&[(0.0, 1.0), (30.0, 1.0)], theme::INK, 1.0);
        scene.line(vec![(0.0, 9.0), (9.0, 9.0)], theme::FAINT_INK, 1.0);
        let svg = scene.to_svg().unwrap();
        let paths: Vec<_> = svg.lines().filter(|l| l.starts_with("<path")).collect();
        assert_eq!(paths.len(), 2, "{svg}");
        assert!(paths[0].contains("d=\"M0,4 20,4M34,4 54,4M68,4 88,4M102,4 120,4\"/>"), "{svg}");
        assert!(!svg.contains("polyline") && svg.trim_end().ends_with("</svg>"));
    }
}
