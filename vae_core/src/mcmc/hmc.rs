//! Hamiltonian Monte Carlo (Duane et al. 1987; Neal 2011): samples of p(z) ∝ exp(−U(z)) by a particle of momentum p ~ N(0, I) that moves
//! in the potential U = −log p.
//!
//! ```text
//! leapfrog, n times:   p ← p + ½ε ∇log p(z),   z ← z + ε p,   p ← p + ½ε ∇log p(z)
//! accept the end with probability min(1, exp(H − H')),   H = −log p(z) + ½ |p|²
//! ```
//!
//! A step keeps the volume of (z, p) and is its own inverse after p ← −p, so that with a fixed ε the density stays what it is, whatever ε. While ε is
//! adapted it need not: adapt first, sample then.

use crate::numeric::Real;
use crate::numeric::real::fill_normals;
use crate::rng::Rng;
use crate::{Error, Result};
use rand::Rng as _;

/// A log-density up to a constant, of several chains at once: z and gradient `[chains, n]`, log-densities `[chains]`.
pub trait Density<F> {
    /// log p(z) of each row, and its gradient, both overwritten.
    ///
    /// # Errors
    /// What the model says.
    fn log_density(&mut self, z: &[F], log_p: &mut [F], gradient: &mut [F]) -> Result<()>;
}

/// How the chains move.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hmc {
    /// Leapfrog steps a move.
    pub leapfrog: usize,
    /// The share of moves to be accepted, while ε is adapted.
    pub acceptance: f64,
    /// The factor on ε after a move: times it if more were accepted than that, divided by it if fewer.
    pub adaptation: f64,
}

impl Default for Hmc {
    /// Ten leapfrog steps and 90 % accepted, as in Kingma & Welling's Monte Carlo EM.
    fn default() -> Self {
        Self { leapfrog: 10, acceptance: 0.9, adaptation: 1.1 }
    }
}

/// Chains side by side, with one ε.
#[derive(Clone, Debug)]
pub struct Chains<F> {
    n: usize,
    /// ε.
    pub step: f64,
    z: Vec<F>,
    log_p: Vec<F>,
    gradient: Vec<F>,
    momentum: Vec<F>,
    end: Vec<F>,
    end_log_p: Vec<F>,
    end_gradient: Vec<F>,
}

impl<F: Real> Chains<F> {
    /// Chains of `n` dimensions that begin at z `[chains, n]`, with this ε.
    ///
    /// # Errors
    /// [`Error::Shape`] if z is not whole rows, [`Error::Config`] for an ε that is not positive, and those of the density.
    pub fn new(z: Vec<F>, n: usize, step: f64, density: &mut dyn Density<F>) -> Result<Self> {
        if n == 0 || z.is_empty() || !z.len().is_multiple_of(n) {
            let found = format!("{} values", z.len());
            return Err(Error::Shape { what: "z [chains, n]", expected: format!("rows of {n}"), found });
        }
        crate::choices::positive("step", step)?;
        let mut new = Self::room(z, n, step);
        new.look_again(density)?;
        Ok(new)
    }

    /// The same before the density was asked.
    pub(crate) fn room(z: Vec<F>, n: usize, step: f64) -> Self {
        let (chains, zeros) = (z.len() / n, vec![F::zero(); z.len()]);
        Self {
            n,
            step,
            log_p: vec![F::zero(); chains],
            gradient: zeros.clone(),
            momentum: zeros.clone(),
            end: zeros.clone(),
            end_log_p: vec![F::zero(); chains],
            end_gradient: zeros,
            z,
        }
    }

    /// Where the chains stand, as many as before, whatever the density says of it until [`look_again`](Self::look_again).
    pub(crate) fn z_mut(&mut self) -> &mut [F] {
        &mut self.z
    }

    /// z `[chains, n]`.
    pub fn z(&self) -> &[F] {
        &self.z
    }

    /// log p(z) `[chains]`.
    pub fn log_p(&self) -> &[F] {
        &self.log_p
    }

    /// Where the density has changed, say after an update of its parameters.
    ///
    /// # Errors
    /// Those of the density.
    pub fn look_again(&mut self, density: &mut dyn Density<F>) -> Result<()> {
        density.log_density(&self.z, &mut self.log_p, &mut self.gradient)
    }

    /// Moves every chain once, and returns the share that was accepted; with `adapt`, ε changes afterwards.
    ///
    /// # Errors
    /// Those of the density.
    pub fn advance(&mut self, hmc: Hmc, adapt: bool, density: &mut dyn Density<F>, rng: &mut Rng) -> Result<f64> {
        fill_normals(&mut self.momentum, rng);
        let before = self.kinetic();
        self.end.copy_from_slice(&self.z);
        self.end_gradient.copy_from_slice(&self.gradient);
        self.leapfrog(hmc.leapfrog, density)?;
        let after = self.kinetic();
        let mut accepted = 0;
        for chain in 0..self.log_p.len() {
            let gain = (self.end_log_p[chain] - self.log_p[chain]).f64() + before[chain] - after[chain];
            // drawn for each, so that a chain's numbers do not depend on the others; NaN is refused
            let u: f64 = rng.random();
            if u.ln() < gain {
                let rows = chain * self.n..(chain + 1) * self.n;
                self.z[rows.clone()].copy_from_slice(&self.end[rows.clone()]);
                self.gradient[rows.clone()].copy_from_slice(&self.end_gradient[rows]);
                self.log_p[chain] = self.end_log_p[chain];
                accepted += 1;
            }
        }
        let share = accepted as f64 / self.log_p.len() as f64;
        if adapt {
            self.step *= if share > hmc.acceptance { hmc.adaptation } else { 1.0 / hmc.adaptation };
        }
        Ok(share)
    }

    /// From (end, momentum) so many steps on; a half step of the momentum at either end.
    fn leapfrog(&mut self, steps: usize, density: &mut dyn Density<F>) -> Result<()> {
        let (whole, half) = (F::of(self.step), F::of(0.5 * self.step));
        self.push(half);
        for step in 1..=steps {
            for (z, p) in self.end.iter_mut().zip(&self.momentum) {
                *z += whole * *p;
            }
            density.log_density(&self.end, &mut self.end_log_p, &mut self.end_gradient)?;
            self.push(if step < steps { whole } else { half });
        }
        Ok(())
    }

    fn push(&mut self, by: F) {
        for (p, slope) in self.momentum.iter_mut().zip(&self.end_gradient) {
            *p += by * *slope;
        }
    }

    /// ½ |p|² of each chain.
    fn kinetic(&self) -> Vec<f64> {
        let of = |p: &[F]| 0.5 * p.iter().map(|p| p.f64() * p.f64()).sum::<f64>();
        self.momentum.chunks_exact(self.n).map(of).collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::rng::{Stream, rng};
    use crate::svi::Target;

    impl Density<f64> for Target {
        fn log_density(&mut self, z: &[f64], log_p: &mut [f64], gradient: &mut [f64]) -> Result<()> {
            for ((z, log_p), gradient) in z.chunks_exact(2).zip(log_p).zip(gradient.chunks_exact_mut(2)) {
                *log_p = Target::log_density(*self, z, gradient);
            }
            Ok(())
        }
    }

    /// Independent normals of these standard deviations.
    pub(in super::super) struct Normals(pub(in super::super) Vec<f64>);

    impl Density<f64> for Normals {
        fn log_density(&mut self, z: &[f64], log_p: &mut [f64], gradient: &mut [f64]) -> Result<()> {
            let n = self.0.len();
            for ((z, log_p), gradient) in z.chunks_exact(n).zip(log_p).zip(gradient.chunks_exact_mut(n)) {
                *log_p = 0.0;
                for (j, sd) in self.0.iter().enumerate() {
                    gradient[j] = -z[j] / (sd * sd);
                    *log_p += 0.5 * z[j] * gradient[j];
                }
            }
            Ok(())
        }
    }

    /// Mean and variance of each coordinate over chains and moves, ε adapted before.
    fn moments(density: &mut dyn Density<f64>, start: Vec<f64>, n: usize, moves: u64) -> (Vec<f64>, Vec<f64>, f64) {
        let mut chains = Chains::new(start, n, 0.1, density).unwrap();
        let (hmc, mut accepted) = (Hmc::default(), 0.0);
        for index in 0..200 {
            chains.advance(hmc, true, density, &mut rng(0, Stream::User, index)).unwrap();
        }
        let (mut sum, mut squares) = (vec![0.0; n], vec![0.0; n]);
        for index in 200..200 + moves {
            accepted += chains.advance(hmc, false, density, &mut rng(0, Stream::User, index)).unwrap();
            for (k, z) in chains.z().iter().enumerate() {
                sum[k % n] += z;
                squares[k % n] += z * z;
            }
        }
        let count = (moves as usize * chains.log_p().len()) as f64;
        let mean: Vec<f64> = sum.iter().map(|s| s / count).collect();
        let variance = squares.iter().zip(&mean).map(|(s, m)| s / count - m * m).collect();
        (mean, variance, accepted / moves as f64)
    }

    #[test]
    fn leapfrog_is_its_own_inverse() {
        let mut banana = Target::Banana;
        let mut chains = Chains::new(vec![0.3, -0.4, 1.2, 0.1], 2, 0.1, &mut banana).unwrap();
        let start = chains.z.clone();
        fill_normals(&mut chains.momentum, &mut rng(1, Stream::User, 0));
        let momentum = chains.momentum.clone();
        chains.end.copy_from_slice(&start);
        chains.end_gradient.copy_from_slice(&chains.gradient.clone());
        chains.leapfrog(20, &mut banana).unwrap();
        chains.momentum.iter_mut().for_each(|p| *p = -*p);
        chains.leapfrog(20, &mut banana).unwrap();
        for (a, b) in
            chains.end.iter().chain(&chains.momentum).zip(start.iter().copied().chain(momentum.iter().map(|p| -p)))
        {
            assert!((a - b).abs() < 1e-9);
        }
    }

    #[test]
    fn normals_keep_their_moments() {
        let (mean, variance, accepted) = moments(&mut Normals(vec![0.5, 1.0, 2.0]), vec![1.0; 3 * 200], 3, 400);
        for (j, sd) in [0.5, 1.0, 2.0].into_iter().enumerate() {
            assert!(mean[j].abs() < 0.05 * sd && (variance[j] / (sd * sd) - 1.0).abs() < 0.05, "{mean:?} {variance:?}");
        }
        assert!((accepted - 0.9).abs() < 0.08, "{accepted}");
    }

    /// θ₁ ~ N(0, 1), θ₂ = ½ θ₁² − 1 + 0.3 η: means 0 and −½, variances 1 and ½ + 0.09.
    #[test]
    fn the_banana_keeps_its_moments() {
        let (mean, variance, _) = moments(&mut Target::Banana, vec![0.1; 2 * 200], 2, 1000);
        assert!(mean[0].abs() < 0.05 && (mean[1] + 0.5).abs() < 0.05, "{mean:?}");
        assert!((variance[0] - 1.0).abs() < 0.06 && (variance[1] - 0.59).abs() < 0.07, "{variance:?}");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let mut banana = Target::Banana;
        assert!(matches!(Chains::new(vec![0.0; 3], 2, 0.1, &mut banana), Err(Error::Shape { .. })));
        assert!(matches!(Chains::new(vec![0.0; 2], 2, 0.0, &mut banana), Err(Error::Config { .. })));
    }
}
