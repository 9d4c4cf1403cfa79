//! Numbers that any right reading of MNIST and Frey Face reproduces. Skipped where the data are not at hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use ndarray::{Array1, Array2, Axis};
use vae_core::Error;
use vae_core::data::{Dataset, DatasetConfig, DatasetKind, Images, Preprocess, Scale, SplitScheme};

/// The data set; `None`, with a note, if it is not on this machine.
fn load(kind: DatasetKind, split: SplitScheme) -> Option<Dataset> {
    match (DatasetConfig { split, ..DatasetConfig::new(kind) }).load() {
        Ok(data) => Some(data),
        Err(error @ Error::NotFound { .. }) => {
            eprintln!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn grey(images: &Images, config: Preprocess) -> Array2<f64> {
    let mut out = vec![0.0; images.len() * images.pixels.ncols()];
    let rows: Vec<usize> = (0..images.len()).collect();
    config.prepare::<f64>().gather(&images.pixels, &rows, 0, &mut out).unwrap();
    Array2::from_shape_vec(images.pixels.dim(), out).unwrap()
}

/// Mean over images of the Bernoulli log-likelihood of grey values `x` under probabilities `p` (0·ln 0 = 0).
fn bernoulli(x: &Array2<f64>, p: &Array1<f64>) -> f64 {
    let mean = x.mean_axis(Axis(0)).unwrap();
    // The log-likelihood is linear in x, so the mean image suffices. A pixel that is always black in training has
    // p = 0, and a held-out image that is not black there would cost infinitely much: p is kept above 10⁻⁷.
    let term = |x: f64, p: f64| if x > 0.0 { x * p.max(1e-7).ln() } else { 0.0 };
    mean.iter().zip(p).map(|(&x, &p)| term(x, p) + term(1.0 - x, 1.0 - p)).sum()
}

#[test]
fn constant_pixel_means_on_mnist() {
    let Some(data) = load(DatasetKind::Mnist, SplitScheme::Standard) else { return };
    for (scale, expected) in [(Scale::K256, [-205.98, -204.44, -205.51]), (Scale::K255, [-206.29, -204.75, -205.81])] {
        let config = Preprocess { scale, ..Default::default() };
        let means = grey(&data.train, config).mean_axis(Axis(0)).unwrap();
        for (images, expected) in [&data.train, &data.valid, &data.test].into_iter().zip(expected) {
            let bound = bernoulli(&grey(images, config), &means);
            println!("{scale:?}: {bound:.4} nats, reference {expected}");
            assert!((bound - expected).abs() < 0.01, "{scale:?}: {bound} instead of {expected}");
        }
    }
    let half = bernoulli(&grey(&data.test, Preprocess::default()), &Array1::from_elem(784, 0.5));
    assert!((half + 784.0 * 2f64.ln()).abs() < 1e-9);
}

/// Squared error of predicting the training mean, summed over pixels, averaged over images.
fn mean_prediction_error(data: &Dataset) -> f64 {
    let means = grey(&data.train, Preprocess::default()).mean_axis(Axis(0)).unwrap();
    let errors = grey(&data.test, Preprocess::default()) - means;
    errors.mapv(|e| e * e).sum() / data.test.len() as f64
}

#[test]
fn mean_prediction_on_mnist_and_frey() {
    for (kind, expected) in [(DatasetKind::Mnist, 52.90), (DatasetKind::FreyFace, 6.78)] {
        let Some(data) = load(kind, SplitScheme::Standard) else { continue };
        let error = mean_prediction_error(&data);
        println!("{}: {error:.4}, reference {expected}", data.name);
        assert!((error - expected).abs() < 0.01, "{}: {error}", data.name);
    }
}

#[test]
fn splits_of_the_real_data() {
    if let Some(data) = load(DatasetKind::Mnist, SplitScheme::Standard) {
        assert_eq!(data.summary(), "MNIST: 50000 train · 10000 validation · 10000 test, 28×28");
        assert_eq!(data.train.labels.as_ref().unwrap()[..5], [5, 0, 4, 1, 9]);
        assert_eq!(data.test.labels.as_ref().unwrap()[..5], [7, 2, 1, 0, 4]);
        assert_eq!(data.sha256, "5b92582eb909c82a9bfefcd44acbe9233be3eb5b419a44cf211022ad2bf4bf96");
    }
    if let Some(data) = load(DatasetKind::FreyFace, SplitScheme::Standard) {
        assert_eq!(data.summary(), "Frey Face: 1500 train · 465 held out, 28×20");
        assert_eq!(data.sha256, "2438ba4f0d2a6bd8bac43de756141eaa33c8d248dd613d464bdb1210d9b7af78");
    }
    if let Some(data) = load(DatasetKind::FreyFace, SplitScheme::Random { seed: 1 }) {
        assert_eq!((data.train.len(), data.test.len()), (1500, 465));
        println!("Frey Face, random split: mean-prediction error {:.4}", mean_prediction_error(&data));
    }
}
