//! Which rows make up which minibatch.

use rand::RngCore;
use serde::{Deserialize, Serialize};

use crate::rng::{Rng, Stream, rng};
use crate::{Error, Result};

/// How an epoch is cut into minibatches. Either way the remainder `N mod M` of an epoch is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchScheme {
    /// Uniform without replacement: a new permutation of all rows each epoch (so another remainder each time).
    #[default]
    Shuffled,
    /// The report's authors: contiguous blocks fixed once for all, visited in a new order each epoch; the last
    /// `N mod M` rows are never seen.
    FixedBlocks,
}

/// The minibatches of a training run; a pure function of `(n, m, scheme, seed, update)`.
#[derive(Clone, Debug)]
pub struct Batches {
    n: usize,
    m: usize,
    scheme: BatchScheme,
    seed: u64,
    /// Epoch whose order is in `rows`; `None` before the first call.
    epoch: Option<u64>,
    /// All rows in the order of that epoch.
    rows: Vec<usize>,
}

impl Batches {
    /// Minibatches of `m` out of `n` datapoints.
    ///
    /// # Errors
    /// [`Error::Config`] if there are no datapoints, or `m` is 0 or greater than `n`.
    pub fn new(n: usize, m: usize, scheme: BatchScheme, seed: u64) -> Result<Self> {
        if n == 0 {
            return Err(Error::config("dataset", "has no training datapoints"));
        }
        if m == 0 || m > n {
            return Err(Error::config("batch size", format!("is {m}; it must be between 1 and {n}, the training set")));
        }
        Ok(Self { n, m, scheme, seed, epoch: None, rows: Vec::new() })
    }

    /// Updates in an epoch, `⌊N/M⌋`.
    pub fn batches_per_epoch(&self) -> u64 {
        (self.n / self.m) as u64
    }

    /// The 0-based epoch of a 0-based update.
    pub fn epoch_of(&self, update: u64) -> u64 {
        update / self.batches_per_epoch()
    }

    /// The `M` rows of a 0-based update. Any order of calls gives the same answers; consecutive updates are cheapest,
    /// since the order of one epoch is kept.
    pub fn rows(&mut self, update: u64) -> &[usize] {
        let epoch = self.epoch_of(update);
        if self.epoch != Some(epoch) {
            self.order(epoch);
        }
        let batch = (update % self.batches_per_epoch()) as usize;
        &self.rows[batch * self.m..(batch + 1) * self.m]
    }

    fn order(&mut self, epoch: u64) {
        let mut rng = rng(self.seed, Stream::Shuffle, epoch);
        match self.scheme {
            BatchScheme::Shuffled => self.rows = permutation(self.n, &mut rng),
            BatchScheme::FixedBlocks => {
                self.rows.clear();
                for block in permutation(self.n / self.m, &mut rng) {
                    self.rows.extend(block * self.m..(block + 1) * self.m);
                }
            }
        }
        self.epoch = Some(epoch);
    }
}

/// A uniform permutation of `0..n` (Fisher–Yates). Not `rand`'s `shuffle`, whose draws may change with its version:
/// stored results depend on these.
pub(crate) fn permutation(n: usize, rng: &mut Rng) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..n).collect();
    for last in (1..n).rev() {
        // Multiply-shift; its bias is below n/2⁶⁴.
        let chosen = (u128::from(rng.next_u64()) * (last as u128 + 1)) >> 64;
        rows.swap(last, chosen as usize);
    }
    rows
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    const SCHEMES: [BatchScheme; 2] = [BatchScheme::Shuffled, BatchScheme::FixedBlocks];

    #[test]
    fn impossible_sizes_are_errors() {
        for (n, m) in [(0, 0), (0, 1), (5, 0), (5, 6)] {
            assert!(matches!(Batches::new(n, m, BatchScheme::Shuffled, 0), Err(Error::Config { .. })));
        }
        assert_eq!(Batches::new(5, 5, BatchScheme::Shuffled, 0).unwrap().batches_per_epoch(), 1);
    }

    #[test]
    fn the_order_is_pinned() {
        // Stored results depend on it.
        assert_eq!(permutation(10, &mut rng(1, Stream::Shuffle, 0)), [9, 4, 1, 0, 7, 5, 3, 2, 6, 8]);
    }

    #[test]
    fn permutations_are_uniform() {
        // χ² over the 24 permutations of 4, 23 degrees of freedom: beyond 60 has probability 4·10⁻⁵.
        let mut counts = std::collections::HashMap::new();
        let draws = 24_000;
        for epoch in 0..draws {
            *counts.entry(permutation(4, &mut rng(3, Stream::Shuffle, epoch))).or_insert(0u32) += 1;
        }
        assert_eq!(counts.len(), 24);
        let chi2: f64 = counts.values().map(|&c| (f64::from(c) - 1000.0).powi(2) / 1000.0).sum();
        assert!(chi2 < 60.0, "χ² = {chi2}");
    }

    proptest! {
        #[test]
        fn an_epoch_visits_each_row_at_most_once(n in 1usize..60, m in 1usize..20, seed: u64, epoch in 0u64..1000) {
            prop_assume!(m <= n);
            for scheme in SCHEMES {
                let mut batches = Batches::new(n, m, scheme, seed).unwrap();
                let per_epoch = batches.batches_per_epoch();
                let mut seen = Vec::new();
                for update in epoch * per_epoch..(epoch + 1) * per_epoch {
                    prop_assert_eq!(batches.epoch_of(update), epoch);
                    let rows = batches.rows(update);
                    prop_assert_eq!(rows.len(), m);
                    if scheme == BatchScheme::FixedBlocks {
                        prop_assert!(rows[0].is_multiple_of(m) && rows.windows(2).all(|pair| pair[1] == pair[0] + 1));
                    }
                    seen.extend_from_slice(rows);
                }
                prop_assert_eq!(seen.len(), n / m * m);
                seen.sort_unstable();
                prop_assert!(seen.windows(2).all(|pair| pair[0] < pair[1]) && seen.iter().all(|&row| row < n));
            }
        }

        #[test]
        fn random_access_equals_sequential(n in 1usize..40, m in 1usize..10, seed: u64, asked in prop::collection::vec(0u64..200, 1..30)) {
            prop_assume!(m <= n);
            for scheme in SCHEMES {
                let mut sequential = Batches::new(n, m, scheme, seed).unwrap();
                let all: Vec<Vec<usize>> = (0..200).map(|update| sequential.rows(update).to_vec()).collect();
                let mut random = Batches::new(n, m, scheme, seed).unwrap();
                for &update in &asked {
                    prop_assert_eq!(random.rows(update), all[update as usize].as_slice());
                }
            }
        }
    }
}
