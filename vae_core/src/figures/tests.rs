//! What the figures hold to. `Heading::render` refuses, in tests, texts that leave a drawing or cover each other.
#![allow(clippy::unwrap_used)]

use ndarray::{Array2, array};
use plotters::style::text_anchor::HPos;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::axis::{Axis, drawable};
use super::curves::{core_range, pieces};
use super::figure::Heading;
use super::image_grid::mosaic;
use super::manifold::labelled;
use super::panels::Colours;
use super::png::Bitmap;
use super::scene::Scene;
use super::text::{Typeface, plain, runs};
use super::thin::thin_line;
use super::{
    Bars, Curve, Figure, GraphicalModel, Heatmap, ImageGrid, LearningCurves, Manifold, Panels, Scatter, Variable,
    interval_curve, manifold_latents, theme,
};
use crate::runs::provenance::Provenance;
use crate::{Error, Result};

mod lines;
mod texts;

fn provenance() -> Provenance {
    Provenance { dataset: "synthetic digits".into(), seeds: vec![3], ..Provenance::default() }
}

fn scene(width: f64, height: f64) -> Scene {
    let mut scene = Scene::new().unwrap();
    (scene.width, scene.height) = (width, height);
    scene
}

fn figure(id: &str) -> Result<Figure> {
    let heading = Heading { id: id.into(), title: "N_{z}".into(), caption: "Made up.".into(), page: None };
    heading.render(scene(160.0, 50.0), provenance(), json!({"values": [1.0, f64::NAN]}))
}

fn curve(values: &[f64]) -> Curve {
    let samples = (0..values.len()).map(|i| 1e4 * (i + 1) as f64).collect();
    Curve::new("a", samples, values.to_vec(), Vec::new())
}

fn curves(curve: Curve) -> Result<Figure> {
    LearningCurves::new("a").curve(curve).figure(provenance())
}

fn bars(bars: impl FnOnce(Bars) -> Bars) -> Result<Figure> {
    bars(Bars::new("a").groups("N_{z}", [2, 10])).figure(provenance())
}

fn heatmap(values: Array2<f64>) -> Heatmap {
    let (rows, columns) = values.dim();
    Heatmap::new("a").rows("M", 0..rows).columns("L", 0..columns).panel("train", values)
}

fn grid(images: Array2<f32>, shape: (usize, usize), columns: usize) -> ImageGrid {
    ImageGrid::new("a", images, shape).columns(columns)
}

fn numbered(values: &[f64]) -> Vec<(f64, f64)> {
    (0..).map(f64::from).zip(values.iter().copied()).collect()
}

#[test]
fn wrong_input_is_a_typed_error() {
    let shape = |figure: Result<Figure>| assert!(matches!(figure, Err(Error::Shape { .. })), "{figure:?}");
    let refused = |figure: Result<Figure>| assert!(matches!(figure, Err(Error::Figure { .. })), "{figure:?}");
    refused(LearningCurves::new("a").figure(provenance()));
    refused(Panels::new("a").figure(provenance()));
    refused(curves(curve(&[f64::NAN])));
    shape(curves(Curve { train: vec![1.0], ..curve(&[1.0, 2.0]) }));
    shape(curves(Curve { train_band: Some(vec![(0.0, 1.0)]), ..curve(&[1.0, 2.0]) }));
    for samples in [vec![0.0, 1.0], vec![2.0, 1.0], vec![1.0, f64::NAN]] {
        refused(curves(Curve { samples, ..curve(&[1.0, 2.0]) }));
    }
    refused(Bars::new("a").figure(provenance()));
    refused(bars(|b| b.series("x", vec![f64::NAN; 2])));
    refused(bars(|b| b.series_with_errors("x", vec![1.0, 2.0], vec![1.0, -1.0])));
    refused(bars(|b| b.series("x", vec![1.0, 2.0]).reference("r", f64::NAN)));
    shape(bars(|b| b.series("x", vec![1.0])));
    shape(bars(|b| b.series_with_errors("x", vec![1.0, 2.0], vec![1.0])));
    refused(Heatmap::new("a").figure(provenance()));
    for values in [Array2::zeros((0, 0)), array![[f64::NAN]], Array2::zeros((1, 500))] {
        refused(heatmap(values).figure(provenance()));
    }
    shape(heatmap(array![[1.0]]).panel("b", array![[1.0, 2.0]]).figure(provenance()));
    for (images, columns) in [
        (Array2::zeros((0, 4)), 1),
        (Array2::zeros((1, 4)), 0),
        (array![[0.0, f32::NAN, 0.0, 0.0]], 1),
        (Array2::zeros((5000, 4)), 1),
    ] {
        refused(grid(images, (2, 2), columns).figure(provenance()));
    }
    shape(grid(Array2::zeros((1, 4)), (2, 3), 1).figure(provenance()));
    shape(grid(Array2::zeros((2, 1)), (1, 1), 2).row_labels(["x", "y"]).figure(provenance()));
    let manifold = |images, shape| Manifold::new("a", images, shape).figure(provenance());
    shape(manifold(Array2::zeros((3, 4)), (2, 2)));
    shape(manifold(Array2::zeros((4, 4)), (2, 3)));
    refused(manifold(Array2::zeros((0, 4)), (2, 2)));
    assert!(manifold(Array2::zeros((4, 6)), (2, 3)).is_ok() && manifold(Array2::zeros((1, 1)), (1, 1)).is_ok());
    // ids that could leave the folder, sizes that no picture has
    for id in ["", "../x", "a b", "Ä", "A", &"a".repeat(101)] {
        refused(figure(id));
    }
    for (width, height) in [(0.0, 10.0), (1e9, 10.0), (f64::NAN, 1.0)] {
        assert!(scene(width, height).to_svg(1.0).is_err());
    }
}

#[test]
fn every_kind_fits_a_narrow_page_and_is_as_wide_as_it() {
    let panel = || LearningCurves::new("p").title("N_{z} = 3").curve(curve(&[-150.0, -140.0, -135.5]));
    let panels = |n: usize| (0..n).fold(Panels::new("a").title("Lower bound while training"), |p, _| p.panel(panel()));
    let cloud = Array2::from_shape_fn((50, 2), |(i, j)| (i as f32 + j as f32).sin());
    let of = |mm: f64| {
        vec![
            panels(5).page_width(mm).figure(provenance()),
            panel().page_width(mm).figure(provenance()),
            bars(|b| b.series("train", vec![1.5, 2.5]).series("held out", vec![1.0, 2.0]).page_width(mm)),
            heatmap(array![[1.5, 2.0], [3.0, -4.25]])
                .panel("held out", array![[1.0, 2.0], [3.0, 4.0]])
                .page_width(mm)
                .figure(provenance()),
            grid(Array2::zeros((60, 784)), (28, 28), 20)
                .row_labels(["3", "5", "8"])
                .page_width(mm)
                .figure(provenance()),
            Manifold::new("a", Array2::zeros((400, 784)), (28, 28)).page_width(mm).figure(provenance()),
            Scatter::new("a").group("0", &cloud).unwrap().page_width(mm).figure(provenance()),
        ]
    };
    for mm in [85.0, 178.0] {
        let width = format!("width=\"{:.0}", mm / 25.4 * 96.0);
        for (k, figure) in of(mm).into_iter().enumerate() {
            let svg = figure.unwrap().svg;
            assert!(svg.lines().next().unwrap().contains(&width[..9]), "{k} at {mm}: {}", &svg[..120]);
        }
    }
    for (k, figure) in of(12.0).into_iter().enumerate() {
        let said = figure.unwrap_err().to_string();
        assert!(said.contains("give it at least"), "{k}: {said}");
    }
    let said = panel().page_width(f64::NAN).figure(provenance()).unwrap_err().to_string();
    assert!(said.contains("10 to 2000"), "{said}");
    // untouched where nobody names a page
    assert!(panels(5).figure(provenance()).unwrap().svg.len() > 1000);
}

#[test]
fn long_labels_stay_in_their_places() {
    let long = "a label that is far longer than anybody should make it, and then some words";
    let named = |b: Bars| b.groups(long, [long, "b", "c"]).y_label(long).title(long).reference(long, 1.0);
    bars(|b| named(b).series(long.repeat(2), vec![1.0, -2.0, 3.0])).unwrap();
    let provenance = Provenance { dataset: "a-data-set-with-a-very-long-name ".repeat(4), ..provenance() };
    let images = grid(Array2::zeros((6, 20)), (5, 4), 3).row_labels(["a long label", "b"]);
    images.title("Incomprehensibilities ".repeat(5)).figure(provenance).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn any_values_draw_or_say_why_not(
        values in prop::collection::vec(
            prop_oneof![-200.0..-90.0f64, Just(0.0), Just(3.0), proptest::num::f64::ANY, Just(1e-300)], 1..8),
        upright: bool,
    ) {
        let (n, finite) = (values.len(), values.iter().any(|&v| drawable(v)));
        let band = values.iter().map(|v| (v - 1.0, v + 1.0)).collect();
        let drawn = curves(Curve { held_out: values.clone(), train_band: Some(band), ..curve(&values) });
        prop_assert_eq!(drawn.is_ok(), finite);
        let errors = values.iter().map(|v| v.abs()).collect();
        let drawn = bars(|b| b.groups("", 0..n).series_with_errors("x", values.clone(), errors).reference("r", 1.0));
        prop_assert_eq!(drawn.is_ok(), finite);
        let table = Array2::from_shape_vec(if upright { (n, 1) } else { (1, n) }, values).unwrap();
        prop_assert_eq!(heatmap(table).figure(provenance()).is_ok(), finite);
    }

    #[test]
    fn odd_grids_draw(n in 1usize..6, h in 1usize..5, w in 1usize..5, columns in 1usize..8) {
        let images = grid(Array2::from_elem((n, h * w), 0.5), (h, w), columns);
        prop_assert!(images.title("A rather long title for so small a grid").figure(provenance()).is_ok());
    }

    #[test]
    fn nothing_leaves_the_range(y in prop::collection::vec(prop_oneof![Just(f64::NAN), -3.0..3.0f64, Just(1e100)], 0..40)) {
        for (x, y) in pieces(&numbered(&y), (-1.0, 1.0)).into_iter().flatten() {
            prop_assert!((-1.0..=1.0).contains(&y) && (0.0..=40.0).contains(&x));
        }
    }
}

proptest! {
    #[test]
    fn every_range_gets_ticks_inside_it(a in proptest::num::f64::ANY, b in proptest::num::f64::ANY, most in 0usize..12) {
        for axis in [Axis::linear(a, b, 0.03, most), Axis::logarithms(a, b, most)] {
            prop_assert!(axis.ticks.len() < 100, "{axis:?}");
            for (value, _) in &axis.ticks {
                prop_assert!((-1e-6..=1.0 + 1e-6).contains(&axis.position(*value)), "{axis:?}");
            }
        }
        prop_assert!(Axis::linear(a, b, 0.03, most).ticks.len() >= 2);
    }

    #[test]
    fn labels_tell_ticks_apart(a in -1e7f64..1e7, span in 1e-3f64..1e7) {
        let axis = Axis::linear(a, a + span, 0.0, 5);
        prop_assert!(axis.ticks.windows(2).all(|pair| pair[0].1 != pair[1].1), "{axis:?}");
    }
}

#[test]
fn ticks_are_round() {
    let labels = |axis: Axis| axis.ticks.into_iter().map(|t| t.1).collect::<Vec<_>>();
    let bounds = ["−150", "−140", "−130", "−120", "−110", "−100"];
    assert_eq!(labels(Axis::linear(-158.0, -98.0, 0.0, 6)), bounds);
    assert_eq!(labels(Axis::linear(0.0, 1.0, 0.0, 4)), ["0.0", "0.5", "1.0"]);
    assert_eq!(labels(Axis::linear(0.0, 4e7, 0.0, 5)), ["0", "10⁷", "2·10⁷", "3·10⁷", "4·10⁷"]);
    assert_eq!(labels(Axis::logarithms(5e4, 1e8, 6)), ["10⁵", "10⁶", "10⁷", "10⁸"]);
    assert_eq!(labels(Axis::logarithms(1e4, 1e8, 6)), ["10⁴", "10⁵", "10⁶", "10⁷", "10⁸"]);
    assert_eq!(labels(Axis::logarithms(1e5, 3e5, 6)), ["100000", "200000", "300000"]);
    assert_eq!(labels(Axis::places(["a".into(), String::new(), "b".into()])), ["a", "b"]);
}

#[test]
fn a_label_has_one_colour_in_all_panels_and_one_legend_entry() {
    let named = |l: &str| Curve { label: l.into(), ..curve(&[1.0, 2.0]) };
    let panel = |a: &str, b: &str| LearningCurves::new("p").curve(named(a)).curve(named(b));
    let panels = [panel("x", "y"), panel("y", "z")];
    let colours = Colours::new(&panels);
    assert_eq!(colours.of("y", false), theme::line_colour(1));
    let labels: Vec<_> = colours.legend(&panels).0.into_iter().map(|(_, label)| label).collect();
    assert_eq!(labels, ["x", "y", "z", "train"]);
}

#[test]
fn group_labels_stand_at_round_numbers_where_they_do_not_fit() {
    let scene = scene(1.0, 1.0);
    let written = |labels: Vec<String>, step| {
        let labels = Bars::new("a").groups("", labels).group_labels(&scene, step);
        labels.into_iter().filter(|label| !label.is_empty()).collect::<Vec<_>>()
    };
    let numbers = |range: std::ops::Range<u32>| range.map(|i| i.to_string()).collect::<Vec<_>>();
    assert_eq!(written(numbers(0..3), 50.0), ["0", "1", "2"]);
    assert_eq!(written(numbers(1..31), 2.5), ["10", "20", "30"]);
    assert_eq!(written((0..5).map(|i| format!("w{i}")).collect(), 12.0), ["w0", "w2", "w4"]);
    assert_eq!(written(vec!["two words".into()], 45.0), ["two\nwords"]);
}

#[test]
fn values_are_printed_where_they_fit_and_missing_ones_marked() {
    let many = |n: usize| bars(|b| b.groups("dimension", 0..n).series("KL", vec![0.5; n])).unwrap().svg;
    assert!(!many(200).contains(">0.500<") && many(2).contains(">0.500<"));
    let figure = heatmap(array![[1174.2, f64::NAN], [-5.0, 0.123]]).figure(provenance()).unwrap();
    for label in ["1174", "–", "−5.00", "0.123"] {
        assert!(figure.svg.contains(&format!(">{label}<")), "{label}");
    }
    assert_eq!(figure.data["panels"][0]["values"][0][1], json!(null));
}

#[test]
fn images_stand_upright_in_reading_order() {
    let images = array![[0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [1.0, -1.0, 9.0, 0.0, 0.0, 0.0], [0.5; 6]];
    let pixels = mosaic(&Heading::new("a"), images.view(), (2, 3), 2, 1).unwrap();
    let expected = array![
        [0, 51, 102, 255, 255, 0, 255],
        [153, 204, 255, 255, 0, 0, 0],
        [255, 255, 255, 255, 255, 255, 255],
        [128, 128, 128, 255, 255, 255, 255],
        [128, 128, 128, 255, 255, 255, 255],
    ];
    assert_eq!(pixels, expected);
}

#[test]
fn the_manifold_is_centred_and_its_axes_point_right_and_up() {
    for n in [1, 2, 3, 10, 20] {
        let z = manifold_latents(n).unwrap();
        assert_eq!(z.dim(), (n * n, 2));
        // Turned by half a turn, the grid is its own mirror image.
        assert!((0..n * n).all(|k| (0..2).all(|axis| (z[[k, axis]] + z[[n * n - 1 - k, axis]]).abs() < 1e-6)));
        assert!(n == 1 || (z[[0, 0]] < z[[n - 1, 0]] && z[[0, 1]] > z[[n * (n - 1), 1]]));
        assert_eq!(z[[0, 1]], z[[n - 1, 1]]);
    }
    assert!(manifold_latents(0).is_err() && manifold_latents(1001).is_err());
    for n in 1..40 {
        let at: Vec<usize> = (0..n).filter(|&i| labelled(i, n)).collect();
        assert_eq!((at[0], *at.last().unwrap()), (0, n - 1), "{n}");
        assert!(at.len() <= 6 && at.len() >= n.min(5), "{n}: {at:?}");
        assert!(at.iter().all(|i| at.contains(&(n - 1 - i))), "{n}: {at:?}");
    }
}

#[test]
fn a_drawing_is_the_same_in_svg_and_bitmap() {
    let mut scene = scene(60.0, 40.0);
    scene.text("N_{z} < μ", (30.0, 10.0), 10.0, theme::INK, HPos::Center);
    scene.line(&[(5.0, 5.0), (5.0, 5.0)], theme::INK, 1.0);
    scene.rect([10.0, 20.0, 10.0, 10.0], theme::INK);
    scene.image(Array2::from_elem((1, 1), 7), [30.0, 20.0, 10.0, 10.0]);
    scene.dashed(&[(0.0, 1.0), (30.0, 1.0)], theme::INK, 1.0).unwrap();
    let svg = scene.to_svg(1.0).unwrap();
    assert!(svg.contains("width=\"60\" height=\"40\"") && svg.contains("viewBox=\"0 0 240 160\""));
    assert!(svg.contains(">z</tspan>") && svg.contains("&lt; μ") && svg.contains("data:image/png;base64,"));
    // The dashes are one path.
    assert!(svg.contains("d=\"M0,4l20,0M34,4l20,0M68,4l20,0M102,4l18,0\"/>"), "{svg}");
    let bitmap = scene.to_bitmap().unwrap();
    let (small, large) = (bitmap.shrink(4), bitmap.shrink(2));
    assert_eq!((small.width, small.height, large.width), (60, 40, 120));
    let at = |x: usize, y: usize| small.rgb[3 * (y * 60 + x)];
    assert_eq!((at(9, 25), at(10, 25), at(19, 25), at(20, 25)), (255, 0x22, 0x22, 255));
    assert_eq!((at(29, 25), at(30, 29), at(40, 25)), (255, 7, 255));
    assert!(at(3, 0) < 200 && at(6, 0) == 255 && at(10, 0) < 200);
}

#[test]
fn bitmaps_shrink_to_means_and_keep_their_colours() {
    let full = Bitmap { width: 2, height: 2, rgb: [0, 255, 255, 0].iter().flat_map(|&g| [g; 3]).collect() };
    let small = full.shrink(2);
    assert_eq!((small.width, small.height, small.rgb.as_slice()), (1, 1, [128, 128, 128].as_slice()));
    let file = full.encode(2.0).unwrap();
    let reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
    assert_eq!(reader.info().color_type, png::ColorType::Grayscale);
    assert_eq!(reader.info().pixel_dims.unwrap().xppu, 7559);
    // Frequent colours stay exact, rare ones move little.
    let mut rgb = vec![[200, 0, 0]; 50];
    rgb.extend((0..=255).map(|i| [0, i, 255 - i]));
    let (palette, pixels) = Bitmap { width: rgb.len(), height: 1, rgb: rgb.concat() }.indexed();
    assert_eq!((palette.len(), palette[0]), (256, [200, 0, 0]));
    for (pixel, index) in rgb.iter().zip(pixels) {
        let drawn = palette[usize::from(index)];
        assert!(pixel.iter().zip(drawn).all(|(a, b)| a.abs_diff(b) <= 1), "{pixel:?} {drawn:?}");
    }
}

#[test]
fn text_has_all_signs_levels_and_lines() {
    let face = Typeface::load().unwrap();
    for c in "μσεθφλβ−·²⁰¹³⁴⁵⁶⁷⁸⁹⁻₁₂×±–…∞ℒ".chars() {
        assert!(face.has(c), "{c}");
    }
    let levels: Vec<_> = runs("N_{z} = 10^{6}").into_iter().map(|r| (r.text, r.drop)).collect();
    assert_eq!(levels, [("N".into(), 0.0), ("z".into(), 0.16), (" = 10".into(), 0.0), ("6".to_string(), -0.38)]);
    assert_eq!((runs("a_{b")[0].text.as_str(), runs("wake_sleep")[0].text.as_str()), ("a_{b", "wake_sleep"));
    assert_eq!((plain("N_{z} of L^{B}"), plain("a_{b")), ("N_z of L^B".into(), "a_{b".into()));
    let lines = face.wrap("one two three four five six seven-hundred-and-seventy-seven", 12.0, 80.0);
    assert!(lines.len() > 3 && lines.iter().all(|line| face.width(line, 12.0) <= 80.0));
}

#[test]
fn the_bundle_follows_the_kernels_protocol() {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let mut figure = figure("a").unwrap();
    let bundle = figure.display_bundle();
    let begins: Vec<_> = bundle.lines().filter_map(|l| l.strip_prefix("EVCXR_BEGIN_CONTENT ")).collect();
    assert_eq!(begins, ["image/svg+xml", "image/png", "text/plain"]);
    assert_eq!(bundle.lines().filter(|l| *l == "EVCXR_END_CONTENT").count(), 3);
    let text = "EVCXR_BEGIN_CONTENT text/plain\nN_z\nMade up. Data: synthetic digits.\nEVCXR_END_CONTENT\n";
    assert!(bundle.ends_with(text), "{bundle}");
    let png = bundle.lines().skip_while(|l| !l.ends_with("image/png")).nth(1).unwrap();
    assert_eq!(BASE64_STANDARD.decode(png).unwrap(), figure.inline_png);
    figure.svg = " ".repeat(100_001);
    assert!(!figure.display_bundle().contains("image/svg") && format!("{figure:?}").len() < 100);
}

#[test]
fn exports_three_files_that_say_where_they_come_from() {
    let folder = tempfile::tempdir().unwrap();
    let figure = figure("fig-1_a").unwrap();
    let paths = figure.export_to(&folder.path().join("deep")).unwrap();
    assert_eq!(paths.len(), 3);
    assert!(figure.svg.contains("data: synthetic digits"));
    let record: Value = serde_json::from_slice(&std::fs::read(&paths[2]).unwrap()).unwrap();
    assert_eq!(record["provenance"]["seeds"], json!([3]));
    assert_eq!(record["data"]["values"], json!([1.0, null]));
    let reader = png::Decoder::new(std::io::Cursor::new(std::fs::read(&paths[1]).unwrap())).read_info().unwrap();
    assert_eq!((reader.info().width, reader.info().height), (320, 132));
}
