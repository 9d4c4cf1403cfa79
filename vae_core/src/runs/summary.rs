//! Numbers out of several runs.

use super::store::Run;

/// A final number of a run, nats per datapoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// The training bound of the last record.
    Train,
    /// The validation bound.
    Valid,
    /// The test bound.
    Test,
    /// Validation: E[log p(x | z)].
    Reconstruction,
    /// Validation: D_KL(q(z | x) ‖ p(z)).
    Kl,
    /// Training minus validation bound.
    Overfit,
}

impl Quantity {
    /// Of one run; NaN if it has no history.
    pub fn of(self, run: &Run) -> f64 {
        let train = run.history().last().map_or(f64::NAN, |r| r.train.bound);
        match self {
            Self::Train => train,
            Self::Valid => run.result.valid.bound,
            Self::Test => run.result.test.bound,
            Self::Reconstruction => run.result.valid.reconstruction,
            Self::Kl => run.result.valid.kl,
            Self::Overfit => train - run.result.valid.bound,
        }
    }
}

/// The quantity of each run with this N_z, in the order of the list: one value a seed.
pub fn values(runs: &[Run], n_z: usize, quantity: Quantity) -> Vec<f64> {
    runs.iter().filter(|r| r.result.config.model.latent == n_z).map(|r| quantity.of(r)).collect()
}

/// Its mean over the runs with each of these N_z.
pub fn means(runs: &[Run], latent: &[usize], quantity: Quantity) -> Vec<f64> {
    latent
        .iter()
        .map(|&n_z| {
            let values = values(runs, n_z, quantity);
            values.iter().sum::<f64>() / values.len() as f64
        })
        .collect()
}
