//! The state of a run that is kept: for a divergence, and in a checkpoint.

use crate::models::Vae;
use crate::optim::Optimiser;
use crate::step::LatentChains;

/// Reconstruction, KL of z and KL of the weights.
pub(super) type Parts = [f64; 3];

/// What a divergence puts back: the state at the last record, whose validation bound was finite (at first, the start). The history is not
/// part of it: no record is written that is not kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    pub(super) params: Vec<f32>,
    pub(super) slots: Vec<Vec<f32>>,
    pub(super) window: Vec<Parts>,
    pub(super) updates: u64,
    /// ε and z of Monte Carlo EM's chains.
    pub(super) chains: Option<(f64, Vec<f32>)>,
}

impl Kept {
    /// Takes over the present state.
    pub(super) fn keep(
        &mut self,
        model: &Vae<f32>,
        optimiser: &Optimiser<f32>,
        (window, chains): (&[Parts], Option<(f64, &[f32])>),
        updates: u64,
    ) {
        self.params.clear();
        self.params.extend_from_slice(model.params());
        self.slots.resize_with(optimiser.slots().len(), Vec::new);
        for (kept, (_, slot)) in self.slots.iter_mut().zip(optimiser.slots()) {
            kept.clone_from(slot);
        }
        self.window.clear();
        self.window.extend_from_slice(window);
        self.chains = chains.map(|(step, z)| (step, z.to_vec()));
        self.updates = updates;
    }

    /// Puts it back, and says how many updates it had seen.
    pub(super) fn put(
        &self,
        model: &mut Vae<f32>,
        optimiser: &mut Optimiser<f32>,
        (window, chains): (&mut [Parts], Option<&mut LatentChains<f32>>),
    ) -> u64 {
        model.params_mut().copy_from_slice(&self.params);
        for ((_, mine), saved) in optimiser.slots_mut().iter_mut().zip(&self.slots) {
            mine.copy_from_slice(saved);
        }
        if let (Some(chains), Some((step, z))) = (chains, &self.chains) {
            chains.restore(*step, z);
        }
        window.copy_from_slice(&self.window);
        self.updates
    }
}
