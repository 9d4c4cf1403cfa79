//! Every kind of figure, from made-up numbers, into a folder: `cargo run --example figure_gallery -- FOLDER`.

use std::path::Path;

use ndarray::Array2;
use vae_core::figures::{
    Bars, Curve, Figure, GraphicalModel, Heatmap, ImageGrid, LearningCurves, Manifold, Panels, Variable,
    manifold_latents,
};
use vae_core::runs::provenance::Provenance;
use vae_core::{Error, Result};

fn main() -> Result<()> {
    let Some(folder) = std::env::args_os().nth(1) else {
        return Err(Error::config("FOLDER", "is missing: name the folder that the figures go to"));
    };
    let made_up = Provenance::collect("made-up numbers", "", [1, 2, 3], []);
    let figures = [one_panel, five_panels, other_lines, graph, images, manifold, heatmap, bars, many_bars];
    for draw in figures {
        let figure = draw(&made_up)?;
        for path in figure.export_to(Path::new(&folder))? {
            println!("{}", path.display());
        }
    }
    Ok(())
}

/// A bound that rises from `start` to `end`, at 60 numbers of samples from 10⁴ to 10⁸.
fn curve(label: &str, start: f64, end: f64) -> Curve {
    let samples: Vec<f64> = (0..60).map(|i| 10f64.powf(4.0 + 4.0 * f64::from(i) / 59.0)).collect();
    let wobble = |i: usize| (i as f64 * 1.7).sin();
    let train: Vec<f64> = samples.iter().map(|s| end - (end - start) * (s / 1e4).powf(-0.4)).collect();
    let held_out: Vec<f64> = train.iter().enumerate().map(|(i, v)| v - 0.04 * i as f64 - 0.4 * wobble(i)).collect();
    let band =
        |values: &[f64]| Some(values.iter().enumerate().map(|(i, v)| (v - 150.0 / (i + 20) as f64, v + 2.0)).collect());
    Curve { train_band: band(&train), held_out_band: None, ..Curve::new(label, samples, train, held_out) }
}

fn one_panel(provenance: &Provenance) -> Result<Figure> {
    let reference = curve("", -420.0, -101.0);
    LearningCurves::new("gallery_curve")
        .title("Made-up learning curves, N_{z} = 10")
        .caption("Made-up numbers, to look at the drawing.")
        .curve(curve("L^{B}", -400.0, -103.0))
        .curve(curve("L^{A}", -430.0, -112.0))
        .reference("somebody else", reference.samples, reference.train, false)
        .figure(provenance.clone())
}

fn five_panels(provenance: &Provenance) -> Result<Figure> {
    let mut panels = Panels::new("gallery_panels").title("Made-up learning curves at several N_{z}");
    for (n_z, end) in [(3, -132.0), (5, -118.0), (10, -103.0), (20, -100.0), (200, -99.0)] {
        let reference = curve("", -420.0, end + 2.0);
        let panel = LearningCurves::new("panel")
            .title(format!("N_{{z}} = {n_z}"))
            .curve(curve("L^{B}", -400.0, end))
            .curve(curve("L^{A}", -430.0, end - 8.0))
            .reference("somebody else", reference.samples.clone(), reference.train, false)
            .reference("somebody else", reference.samples, reference.held_out, true);
        panels = panels.panel(panel);
    }
    panels.figure(provenance.clone())
}

/// A linear axis beside a doubly logarithmic one, with a range and a gap.
fn other_lines(provenance: &Provenance) -> Result<Figure> {
    let x: Vec<f64> = (-80..=80).map(|i| 0.05 * f64::from(i)).collect();
    let bell = |m: f64, s: f64| x.iter().map(|x| (-0.5 * ((x - m) / s).powi(2)).exp() / s).collect::<Vec<_>>();
    let densities = LearningCurves::new("densities")
        .title("linear axis, range 0 to 2.2")
        .x_label("latent z")
        .y_label("density")
        .linear_x()
        .y_range(0.0, 2.2)
        .train_label("")
        .curve(Curve::new("exact", x.clone(), bell(0.0, 0.5), Vec::new()))
        .curve(Curve::new("approximate", x.clone(), bell(0.3, 0.6), Vec::new()));
    let l: Vec<f64> = (0..9).map(|i| f64::from(1 << i)).collect();
    let variance = |of_one: f64| l.iter().map(|l| of_one / l).collect::<Vec<_>>();
    let gap = |values: Vec<f64>| values.into_iter().enumerate().map(|(i, v)| if i == 4 { 0.0 } else { v }).collect();
    let variances = LearningCurves::new("variances")
        .title("logarithmic axes")
        .x_label("samples, L")
        .y_label("variance of the gradient")
        .log_y()
        .curve(Curve::new("exact", l.clone(), variance(5.0), Vec::new()))
        .curve(Curve::new("approximate", l.clone(), gap(variance(0.3)), Vec::new()));
    let titled = Panels::new("gallery_lines").title("Made-up lines over other axes").columns(2);
    titled.panel(densities).panel(variances).figure(provenance.clone())
}

fn graph(provenance: &Provenance) -> Result<Figure> {
    GraphicalModel::new("gallery_graph")
        .title("Made-up graph")
        .node("z_{n}", Variable::Latent, (1.0, 0.0))
        .node("x_{n}", Variable::Observed, (1.0, 1.0))
        .node("θ", Variable::Parameter, (0.0, 0.5))
        .plate("n = 1 … N", &["z_{n}", "x_{n}"])
        .arrow("θ", "x_{n}", false)
        .arrow("z_{n}", "x_{n}", false)
        .arrow("x_{n}", "z_{n}", true)
        .figure(provenance.clone())
}

/// Discs of growing radius and softness, 28 × 28 pixels.
fn discs(count: usize) -> Array2<f32> {
    Array2::from_shape_fn((count, 28 * 28), |(k, i)| {
        let (y, x) = ((i / 28) as f32 - 13.5, (i % 28) as f32 - 13.5);
        let radius = 2.0 + 10.0 * (k as f32 / count as f32);
        1.0 / (1.0 + ((x * x + y * y).sqrt() - radius).exp())
    })
}

fn images(provenance: &Provenance) -> Result<Figure> {
    ImageGrid::new("gallery_images", discs(30), (28, 28))
        .title("Made-up images")
        .columns(10)
        .row_labels(["input", "AE", "VAE, N_{z} = 20"])
        .figure(provenance.clone())
}

fn manifold(provenance: &Provenance) -> Result<Figure> {
    let (n, side) = (20, 28);
    let latents = manifold_latents(n)?;
    let images = Array2::from_shape_fn((n * n, side * side), |(k, i)| {
        let (y, x) = ((i / side) as f32 - 13.5, (i % side) as f32 - 13.5);
        let (a, b) = (8.0 + 2.5 * latents[[k, 0]], 8.0 + 2.5 * latents[[k, 1]]);
        1.0 / (1.0 + (8.0 * ((x / a).powi(2) + (y / b).powi(2)).sqrt() - 8.0).exp())
    });
    Manifold::new("gallery_manifold", images, (side, side))
        .title("Made-up manifold: wider to the right, taller upwards")
        .figure(provenance.clone())
}

fn heatmap(provenance: &Provenance) -> Result<Figure> {
    let values =
        |scale: f64| Array2::from_shape_fn((4, 8), |(m, l)| scale - 40.0 * m as f64 + 9.0 * ((3 * l + m) as f64).sin());
    let mut held_out = values(740.0);
    held_out[[1, 2]] = f64::NAN;
    Heatmap::new("gallery_heatmap")
        .title("Made-up lower bounds")
        .columns("samples per datapoint, L", 1..=8)
        .rows("minibatch size, M", [20, 60, 100, 140])
        .unit("nats per datapoint")
        .panel("train", values(1180.0))
        .panel("held out", held_out)
        .figure(provenance.clone())
}

fn bars(provenance: &Provenance) -> Result<Figure> {
    Bars::new("gallery_bars")
        .title("Made-up reconstruction errors")
        .groups("latent dimensions, N_{z}", [2, 10, 20])
        .y_label("squared error, summed over pixels")
        .series_with_errors("AE", vec![37.1, 19.0, 14.8], vec![1.2, 0.8, 0.4])
        .series_with_errors("VAE, mean", vec![33.1, 12.7, 8.3], vec![0.9, 0.2, 0.3])
        .series("VAE, 20 samples", vec![33.2, f64::NAN, 9.0])
        .reference("mean image", 52.9)
        .figure(provenance.clone())
}

fn many_bars(provenance: &Provenance) -> Result<Figure> {
    let kl = (0..200).map(|i| 3.0 * (-f64::from(i) / 20.0).exp()).collect();
    Bars::new("gallery_kl")
        .title("Made-up KL divergences")
        .groups("latent dimension, in decreasing order", 1..=200)
        .y_label("KL (nats)")
        .series("", kl)
        .reference("0.01 nats", 0.01)
        .figure(provenance.clone())
}
