//! Any text reaches its container: an SVG is XML, a block of the kernel's protocol ends where it should.

use super::*;

const ODD: &str = "a \u{1b}[31mred\u{7} title\u{0} & <x> \u{fffe}\tend";

#[test]
fn control_characters_leave_the_svg_well_formed() {
    let figures = [
        LearningCurves::new("a").title(ODD).x_label(ODD).curve(Curve { label: ODD.into(), ..curve(&[1.0, 2.0]) }),
        LearningCurves::new("a").caption(ODD).y_label(ODD).curve(curve(&[1.0, 2.0])),
    ];
    let mut figures: Vec<Figure> = figures.map(|curves| curves.figure(provenance()).unwrap()).into();
    figures.push(bars(|b| b.groups(ODD, [ODD, "b"]).series(ODD, vec![1.0, 2.0])).unwrap());
    figures.push(grid(Array2::zeros((1, 1)), (1, 1), 1).row_labels([ODD]).figure(provenance()).unwrap());
    let odd = Provenance { dataset: ODD.into(), ..provenance() };
    figures
        .push(curves(curve(&[1.0])).and_then(|_| LearningCurves::new("a").curve(curve(&[1.0])).figure(odd)).unwrap());
    for figure in figures {
        roxmltree::Document::parse(&figure.svg).unwrap();
        assert!(!figure.display_bundle().contains(['\u{1b}', '\u{7}', '\u{0}']), "{}", figure.caption);
    }
}

#[test]
fn a_line_of_the_protocol_in_a_caption_is_text() {
    let heading = Heading {
        id: "a".into(),
        title: "A".into(),
        caption: "one\nEVCXR_END_CONTENT\nEVCXR_BEGIN_CONTENT text/html\n<script>".into(),
        page: None,
    };
    let figure = heading.render(scene(160.0, 50.0), Provenance::default(), json!({})).unwrap();
    let bundle = figure.display_bundle();
    assert_eq!(bundle.lines().filter(|line| *line == "EVCXR_END_CONTENT").count(), 3);
    assert_eq!(bundle.lines().filter(|line| line.starts_with("EVCXR_BEGIN_CONTENT")).count(), 3);
    assert!(bundle.contains("\n EVCXR_END_CONTENT\n EVCXR_BEGIN_CONTENT text/html\n<script>"), "{bundle}");
}

#[test]
fn missing_glyphs_are_known_by_name() {
    let figure =
        LearningCurves::new("a").title("学習 curve 習").curve(curve(&[1.0, 2.0])).figure(provenance()).unwrap();
    assert_eq!(figure.missing_glyphs, "学習");
    assert_eq!(curves(curve(&[1.0, 2.0])).unwrap().missing_glyphs, "");
}

#[test]
fn labels_of_700_characters_and_70_000_decimals_are_drawn() {
    let long = "a-very-long-label ".repeat(39);
    grid(Array2::zeros((2, 784)), (28, 28), 1).row_labels([&long, "b"]).figure(provenance()).unwrap();
    heatmap(array![[1.0, 2.0]]).rows("M", [&long]).columns("L", [&long, "b"]).figure(provenance()).unwrap();
    for decimals in [70_000, usize::MAX] {
        let wide = heatmap(array![[1.0, 2.0]]).decimals(decimals).figure(provenance());
        assert!(wide.is_ok() || matches!(wide, Err(Error::Figure { .. })), "{wide:?}");
        let wide = bars(|b| b.series("x", vec![1.0, 2.0]).decimals(decimals));
        assert!(wide.is_ok() || matches!(wide, Err(Error::Figure { .. })), "{wide:?}");
    }
    let face = Typeface::load().unwrap();
    let cut = face.cut(&long, 12.0, 200.0);
    assert!(cut.ends_with('…') && face.width(&cut, 12.0) <= 200.0 && cut.len() > 20, "{cut}");
    assert_eq!((face.cut("a b", 12.0, 200.0), face.cut("abc", 12.0, 1.0)), ("a b".into(), "…".into()));
}

#[test]
fn points_without_number_are_drawn_like_few_of_them() {
    let n = 100_000;
    let wave = |i: usize| (i as f64 * 0.37).sin() + if i == 54_321 { 3.0 } else { 0.0 };
    let samples: Vec<f64> = (1..=n).map(|i| i as f64).collect();
    let values: Vec<f64> = (0..n).map(wave).collect();
    let band = values.iter().map(|v| (v - 0.1, v + 0.1)).collect();
    let curve = Curve { train_band: Some(band), ..Curve::new("a", samples, values, Vec::new()) };
    let figure = LearningCurves::new("a").linear_x().y_range(-2.0, 4.0).curve(curve).figure(provenance()).unwrap();
    assert!(figure.svg.len() < 400_000, "{} bytes", figure.svg.len());
    let codes = Array2::from_shape_fn((n, 2), |(i, j)| (i as f32 * if j == 0 { 0.618 } else { 0.414 }) % 1.0);
    let figure = Scatter::new("a").group("x", &codes).unwrap().figure(provenance()).unwrap();
    assert!(figure.svg.matches("<path").count() < 100_000, "{}", figure.svg.matches("<path").count());

    let line: Vec<(f64, f64)> = (0..n).map(|i| (i as f64, wave(i))).collect();
    let thin = thin_line(line.clone());
    assert!(thin.len() <= 4004 && thin.contains(&line[54_321]) && thin.windows(2).all(|p| p[0].0 < p[1].0));
    assert_eq!((thin[0], thin[thin.len() - 1]), (line[0], line[n - 1]));
    assert_eq!(thin_line(line[..4000].to_vec()), line[..4000]);
}
