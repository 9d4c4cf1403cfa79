//! Lines, their axes, and the graph of a model.

use super::*;

#[test]
fn gaps_break_curves_and_edges_cut_them() {
    let found = pieces(&numbered(&[0.5, 0.5, f64::NAN, 0.2, f64::INFINITY, 0.5, 1.5]), (0.0, 1.0));
    assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1, 2], "{found:?}");
    assert_eq!(*found[2].last().unwrap(), (5.5, 1.0));
    let through = pieces(&numbered(&[-1.0, 3.0, 0.5, 0.5, 2.0, 2.0, 1.0]), (0.0, 1.0));
    assert_eq!(through.iter().map(Vec::len).collect::<Vec<_>>(), [2, 4, 2], "{through:?}");
}

#[test]
fn a_wild_start_does_not_set_the_range() {
    let samples: Vec<f64> = (1..=400).map(f64::from).collect();
    let mut values: Vec<f64> = samples.iter().map(|s| -105.0 - 60.0 * s.powf(-0.5)).collect();
    (values[0], values[1], values[9]) = (-5000.0, -3000.0, f64::NAN);
    let points = samples.iter().map(|s| s.log10()).zip(values);
    let (low, high) = core_range(points, 0.05).unwrap();
    assert!(low > -150.0 && low <= -135.0 && high > -109.0, "{low} {high}");
    assert_eq!(core_range([(1.0, 3.0)].into_iter(), 0.05), Some((3.0, 3.0)));
    assert_eq!(core_range([(1.0, f64::NAN)].into_iter(), 0.05), None);
}

#[test]
fn lines_over_anything_name_their_axes() {
    // a line through (−1, 10⁻²), (0, no place), (1, 1) and (2, 10²) on a linear axis and a logarithmic one
    let line = || Curve::new("a", vec![-1.0, 0.0, 1.0, 2.0], vec![0.01, -3.0, 1.0, 100.0], Vec::new());
    let panel = || LearningCurves::new("a").curve(line()).x_label("place").y_label("variance").linear_x().log_y();
    let figure = panel().train_label("").figure(provenance()).unwrap();
    let written = |label: &str| figure.svg.contains(&format!(">{label}</text>"));
    assert!(["place", "variance", "−1.0", "0.0", "2.0", "10⁻²", "10²"].into_iter().all(written), "{}", figure.svg);
    assert!(!written("train") && !written("training samples seen"));
    let axes = |p: &Value| [&p["x"], &p["x_scale"], &p["y"], &p["y_scale"]].map(|v| v.as_str().unwrap().to_owned());
    assert_eq!(axes(&figure.data["panels"][0]), ["place", "linear", "variance", "logarithmic"]);
    // panels keep their own titles, and the default stays
    let learning = || LearningCurves::new("b").curve(curve(&[1.0, 2.0]));
    let both = Panels::new("p").columns(2).panel(panel()).panel(learning()).figure(provenance()).unwrap();
    let titles = ["place", "variance", "training samples seen", "lower bound (nats per datapoint)"];
    assert!(titles.iter().all(|t| both.svg.matches(&format!(">{t}</text>")).count() == 1), "{}", both.svg);
    assert_eq!(axes(&both.data["panels"][1])[1..], ["logarithmic", "lower bound (nats per datapoint)", "linear"]);
    // the line is broken where it is not positive: two pieces, of one and of two points
    let points = panel().points(&line().samples, &line().train).collect::<Vec<_>>();
    assert!(points[0] == (-1.0, -2.0) && points[1].1.is_nan() && points[3] == (2.0, 2.0), "{points:?}");
    assert_eq!(pieces(&points, (-3.0, 3.0)).iter().map(Vec::len).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_graph_has_its_variables_arrows_and_plate() {
    let graph = || {
        let z = GraphicalModel::new("a").node("z", Variable::Latent, (1.0, 0.0));
        z.node("x", Variable::Observed, (1.0, 1.0)).node("θ", Variable::Parameter, (0.0, 0.5)).arrow("z", "x", false)
    };
    let draw = |graph: GraphicalModel| graph.figure(provenance());
    let whole = graph().arrow("θ", "x", false).arrow("x", "z", true).plate("N", &["z", "x"]);
    let figure = draw(whole.title("A graph with a long title")).unwrap();
    for name in ["z", "x", "θ", "N", "generative model", "variational"] {
        assert_eq!(figure.svg.matches(&format!(">{name}</text>")).count(), 1, "{name}");
    }
    // two circles of which one is grey, three arrowheads
    let areas = |colour: &str| figure.svg.matches(&format!("<path fill=\"{colour}\"")).count();
    assert_eq!((areas("#ffffff"), areas("#dddddd"), areas("#222222")), (1, 1, 3), "{}", figure.svg);
    assert_eq!(figure.data["arrows"][2], json!({"from": "x", "to": "z", "variational": true}));
    assert_eq!(figure.data["nodes"][1]["is"], "observed");
    for graph in [graph().arrow("z", "y", false), graph().plate("N", &["y"])] {
        assert!(draw(graph).unwrap_err().to_string().contains("no variable \"y\"; add it with `node`"));
    }
    assert!(draw(graph().node("y", Variable::Latent, (0.0, 0.0)).arrow("z", "y", false)).is_ok());
    assert!(draw(GraphicalModel::new("a")).is_err());
}

#[test]
fn a_line_through_means_has_their_intervals() {
    let values = [vec![1.0, 2.0, 3.0], vec![5.0, 5.0]];
    let line = interval_curve("a", vec![1.0, 2.0], &values).unwrap();
    let (band, t) = (line.train_band.clone().unwrap(), 4.302_653 / 3f64.sqrt());
    assert!(line.train == [2.0, 5.0] && (band[0].0 - 2.0 + t).abs() < 1e-5 && (band[0].1 - 2.0 - t).abs() < 1e-5);
    assert!(band[1] == (5.0, 5.0) && curves(line).is_ok() && interval_curve("a", vec![1.0], &[vec![1.0]]).is_err());
}

#[test]
fn a_given_range_is_kept_and_must_be_one() {
    let ends = |panel: LearningCurves| {
        let (_, y) = panel.axes((300.0, 300.0));
        [y.position(0.0), y.position(2.0)]
    };
    let panel = || LearningCurves::new("a").curve(curve(&[1.0, 50.0, 1000.0]));
    assert_eq!(ends(panel().y_range(0.0, 2.0)), [0.0, 1.0]);
    assert_eq!(ends(panel().log_y().y_range(1.0, 100.0)), [0.0, 1.0]);
    // without one, stray values are out of view, but not on an axis of logarithms
    let stray = curve(&[1e4].into_iter().chain([1.0; 99]).collect::<Vec<_>>());
    let top = |panel: LearningCurves, value: f64| panel.curve(stray.clone()).axes((300.0, 300.0)).1.position(value);
    assert!(top(LearningCurves::new("a"), 1e4) > 2.0 && top(LearningCurves::new("a").log_y(), 4.0) < 1.0);
    let fails = |panel: LearningCurves| panel.figure(provenance()).unwrap_err().to_string();
    for (low, high) in [(1.0, 1.0), (2.0, 1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
        assert!(fails(panel().y_range(low, high)).contains("the lower first"), "{low} {high}");
    }
    assert!(fails(panel().log_y().y_range(0.0, 1.0)).contains("both positive"));
    assert!(panel().y_range(0.0, 1.0).figure(provenance()).is_ok());
    let negative = || LearningCurves::new("a").curve(curve(&[-1.0, 0.0]));
    assert!(fails(negative().log_y()).contains("no positive value") && negative().figure(provenance()).is_ok());
}

#[test]
fn groups_of_points_have_their_names_and_colours() {
    let points = |x: f32| ndarray::array![[x, 0.0], [x, 1.0], [f32::NAN, 0.0]];
    let many = (0..10u8).try_fold(Scatter::new("a"), |all, k| all.group(k.to_string(), &points(f32::from(k)))).unwrap();
    let figure = many.mark("here", 9.0, 1.0).figure(provenance()).unwrap();
    let count = |label: &str| figure.svg.matches(&format!(">{label}</text>")).count();
    assert!(count("7") >= 2 && count("here") == 1, "{}", figure.svg);
    assert_eq!(figure.data["groups"][3]["points"].as_array().unwrap().len(), 2, "what is not finite is left out");
    assert!(Scatter::new("b").group("x", &ndarray::array![[1.0]]).is_err());
    assert!(Scatter::new("b").figure(provenance()).is_err());
}
