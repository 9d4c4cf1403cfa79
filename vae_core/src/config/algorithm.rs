//! How an update is made.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// What moves θ and ϕ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// Algorithm 1: both up one bound.
    #[default]
    Aevb,
    /// Hinton et al. (1995), what Kingma & Welling compare with in their Fig. 2: the decoder up E_q [log p(x | z)] on data (wake), then the encoder up
    /// E_p(x, z) [log q(z | x)] on as many dreams (sleep). There is no bound that both climb.
    WakeSleep,
    /// Without an encoder, as in Kingma & Welling's Fig. 3.
    MonteCarloEm(MonteCarloEm),
}

/// Wei & Tanner (1990): each datapoint has a chain in its posterior. A minibatch's chains move by Hamiltonian Monte Carlo (E), then θ goes up log p(x, z) at
/// the samples (M). The encoder keeps the weights that the seed drew and says nothing; what takes the place of the bound, in records too: `train` is the mean of
/// log p(x, z) at the samples, `valid` and `test` estimates of log p(x) by samples of the posterior
/// ([`Vae::log_marginal_by_hmc`](crate::models::Vae::log_marginal_by_hmc)) of the first hundred images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonteCarloEm {
    /// Leapfrog steps of the one move that a chain makes; ε is adapted to 90 % acceptance.
    pub leapfrog: usize,
    /// Updates of θ with a sample.
    pub updates: u64,
}

impl Default for MonteCarloEm {
    /// Ten leapfrog steps, five updates, as in the paper.
    fn default() -> Self {
        Self { leapfrog: 10, updates: 5 }
    }
}

impl Algorithm {
    /// Steps of the optimiser that a minibatch has.
    pub fn updates(self) -> u64 {
        self.monte_carlo_em().map_or(1, |em| em.updates)
    }

    /// Its parameters, if it is Monte Carlo EM.
    pub fn monte_carlo_em(self) -> Option<MonteCarloEm> {
        if let Self::MonteCarloEm(em) = self { Some(em) } else { None }
    }

    pub(super) fn validate(self) -> Result<()> {
        if self.monte_carlo_em().is_some_and(|em| em.leapfrog == 0 || em.updates == 0) {
            return Err(Error::config("algorithm", format!("is {self:?}; both numbers must be 1 or more")));
        }
        Ok(())
    }
}
