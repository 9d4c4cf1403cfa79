//! Section 5: principal components against errors that were computed elsewhere (with NumPy), on the real data where they are.
#![allow(clippy::unwrap_used)]

use ndarray::Axis;
use vae_core::config::RunConfig;
use vae_core::data::dataset::{Dataset, DatasetConfig, DatasetKind};
use vae_core::inference::Decode;
use vae_core::models::pca;

/// Mean squared errors, summed over pixels, of held-out images: of the training mean, and of so many components.
fn errors(data: &Dataset, sizes: [usize; 3]) -> [f64; 4] {
    let preprocess = RunConfig::report(data.config).preprocess;
    let x = data.train.prepared(&preprocess, data.train.len()).unwrap();
    let test = if data.test.is_empty() { &data.valid } else { &data.test };
    let test = test.prepared(&preprocess, test.len()).unwrap();
    let constant = (&test - &x.mean_axis(Axis(0)).unwrap()).mapv(|v| f64::from(v).powi(2)).sum() / test.nrows() as f64;
    let of = |n_z| pca(&x, n_z).unwrap().squared_errors(&test, Decode::Mean).unwrap().mean().unwrap();
    [constant, of(sizes[0]), of(sizes[1]), of(sizes[2])]
}

fn check(kind: DatasetKind, expected: [f64; 4]) {
    let Ok(data) = DatasetConfig::new(kind).load() else {
        println!("not here: {}", kind.label());
        return;
    };
    let found = errors(&data, [2, 10, 20]);
    let close = found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 0.01 * b);
    assert!(close, "{}: {found:.2?}, not {expected:?}", kind.label());
}

#[test]
fn principal_components_have_the_known_errors() {
    check(DatasetKind::Mnist, [52.90, 43.64, 26.71, 18.46]);
    check(DatasetKind::FreyFace, [6.78, 5.39, 2.79, 2.08]);
}
