//! Section 7 without data: q(θ) = ∫ N(θ; μ(ψ), diag σ²(ψ)) p(ψ) dψ with μ and log σ² an MLP of noise ψ ~ N(0, I), for a [`LogJoint`].
//!
//! The density is that of [`SemiImplicit`]: the mean over a sample's own component and K more, so that the expectation of
//! L = 1/L Σ_l log p(θ_l, D) − log q̂_K(θ_l) is below that with q itself, and rises to it with K.

use ndarray::Array2;

use super::log_joint::LogJoint;
use crate::nn::dense::Input;
use crate::nn::{Activation, Init, Layout, Mlp, Trace};
use crate::numeric::Precision;
use crate::numeric::real::fill_normals;
use crate::optim::{Optimiser, OptimiserConfig};
use crate::posteriors::{Drawn, Posterior, SemiImplicit, Shape};
use crate::rng::{Rng, Stream, rng};
use crate::{Error, Result};

/// A semi-implicit q(θ).
#[derive(Clone, Debug)]
pub struct Implicit {
    q: SemiImplicit,
    mlp: Mlp,
    dim: usize,
    params: Vec<f64>,
}

impl Implicit {
    /// For `dim` parameters: hidden tanh layers, Xavier's start, and σ of every component at the start.
    ///
    /// # Errors
    /// [`Error::Config`] for noise of no width, no dimension or a σ that is not positive.
    pub fn new(q: SemiImplicit, dim: usize, hidden: &[usize], sd: f64, seed: u64) -> Result<Self> {
        Posterior::<f64>::validate(&q)?;
        crate::choices::positive("sd", sd)?;
        if dim == 0 || hidden.contains(&0) {
            return Err(Error::config("dim", "and all hidden widths must be at least 1"));
        }
        let mut layout = Layout::default();
        let mlp = Mlp::new(&mut layout, "q", q.noise, hidden, Activation::Tanh, "head", 2 * dim);
        let mut params = vec![0.0; layout.len()];
        for (k, layer) in mlp.layers().iter().enumerate() {
            let mut rng = rng(seed, Stream::Init, k as u64);
            Init::Xavier.fill(&mut params[layer.weight()], layer.inputs, layer.outputs, &mut rng);
        }
        if let Some(head) = mlp.layers().last() {
            params[head.bias()][dim..].fill(2.0 * sd.ln());
        }
        Ok(Self { q, mlp, dim, params })
    }

    /// The same with another K.
    #[must_use]
    pub fn with_inner(mut self, inner: usize) -> Self {
        self.q.inner = inner;
        self
    }

    /// The head `[n, 2 · dim]`, μ and log σ², of `n` draws of ψ, in the trace.
    fn forward(&self, trace: &mut Trace<f64>, psi: &[f64], n: usize) -> Result<()> {
        self.mlp.forward(&self.params, Input::dense(psi), trace, n)
    }

    /// Estimates the bound with L samples, in nats, and writes its gradient.
    fn estimate(&self, model: &dyn LogJoint, l: usize, rng: &mut Rng, ws: &mut Buffers) -> Result<f64> {
        let (rows, at) = (l + self.q.inner, Shape { m: 1, l, n_z: self.dim });
        fill_normals(&mut ws.psi, rng);
        fill_normals(&mut ws.eps, rng);
        self.forward(&mut ws.trace, &ws.psi, rows)?;
        let head = ws.trace.head()[..rows * 2 * self.dim].to_vec();
        self.q.sample(&head, at, &ws.eps, &mut ws.theta);
        let drawn = Drawn { noise: &ws.eps, z: &ws.theta };
        self.q.log_prob(&head, at, drawn, &mut ws.log_q);
        let (share, mut bound) = (1.0 / l as f64, 0.0);
        for (row, theta) in ws.theta.chunks_exact(self.dim).enumerate() {
            let slope = &mut ws.d_theta[row * self.dim..(row + 1) * self.dim];
            bound += share * (model.log_likelihood(theta, slope) + model.log_prior(theta) - ws.log_q[row]);
            slope.iter_mut().zip(theta).for_each(|(slope, theta)| *slope = share * (*slope - theta));
        }
        let weights = vec![-share; l];
        self.q.add_path(&head, at, drawn, &weights, &mut ws.d_theta);
        let d_head = &mut ws.trace.head_and_delta().1[..rows * 2 * self.dim];
        self.q.backward(&head, at, drawn, &ws.d_theta, Some(&weights), d_head);
        self.mlp.backward(&self.params, &mut ws.trace, None, rows)?;
        for (k, layer) in self.mlp.layers().iter().enumerate() {
            let (input, delta) = self.mlp.input_and_delta(k, Input::dense(&ws.psi), &ws.trace, rows);
            let gradient = &mut ws.gradient[layer.weight()];
            layer.weight_gradient(0..layer.inputs, input, (delta, None), gradient, Precision::F32)?;
            layer.bias_gradient(delta, &mut ws.gradient[layer.bias()]);
        }
        Ok(bound)
    }

    /// The bound of a sample, its mean and standard error over so many, nats.
    ///
    /// # Errors
    /// [`Error::Config`] for fewer than two.
    pub fn bound(&self, model: &dyn LogJoint, samples: u64, seed: u64) -> Result<(f64, f64)> {
        if samples < 2 {
            return Err(Error::config("samples", format!("is {samples}; an error needs at least 2")));
        }
        let (mut ws, mut sum, mut squares) = (self.buffers(1), 0.0, 0.0);
        for sample in 0..samples {
            let bound = self.estimate(model, 1, &mut rng(seed, Stream::Svi, sample), &mut ws)?;
            (sum, squares) = (sum + bound, squares + bound * bound);
        }
        let (n, mean) = (samples as f64, sum / samples as f64);
        Ok((mean, ((squares / n - mean * mean) / (n - 1.0)).max(0.0).sqrt()))
    }

    /// The same after so many steps up the bound, each with L samples.
    ///
    /// # Errors
    /// [`Error::Config`] if the optimiser's numbers make no sense; [`Error::NonFinite`] if q diverges.
    pub fn ascend(
        mut self,
        model: &dyn LogJoint,
        l: usize,
        optimiser: impl Into<OptimiserConfig>,
        steps: u64,
        seed: u64,
    ) -> Result<Self> {
        if l == 0 {
            return Err(Error::config("L", "is 0; take at least one sample"));
        }
        let mut optimiser = Optimiser::<f64>::init(optimiser.into(), self.params.len())?;
        let mut ws = self.buffers(l);
        for step in 0..steps {
            let bound = self.estimate(model, l, &mut rng(seed, Stream::Svi, step + 1), &mut ws)?;
            optimiser.update(&mut self.params, &ws.gradient, 1.0);
            if !bound.is_finite() || self.params.iter().any(|p| !p.is_finite()) {
                return Err(Error::NonFinite { step: step + 1, quantity: "the bound or q".into(), value: bound });
            }
        }
        Ok(self)
    }

    /// log q(θ) at θ `[n, dim]`, as the mean over so many draws of ψ, the same for all.
    ///
    /// # Errors
    /// [`Error::Config`] for no draws, [`Error::Shape`] for θ of another width.
    pub fn log_density(&self, theta: &Array2<f64>, draws: usize, seed: u64) -> Result<Vec<f64>> {
        if draws == 0 || theta.ncols() != self.dim {
            let found = format!("{:?}, {draws} draws", theta.shape());
            return Err(Error::Shape { what: "θ", expected: format!("[n, {}], at least one draw", self.dim), found });
        }
        let mut psi = vec![0.0; draws * self.q.noise];
        fill_normals(&mut psi, &mut rng(seed, Stream::Evaluation, 0));
        let mut trace = self.mlp.trace(draws, false);
        self.forward(&mut trace, &psi, draws)?;
        let at = Shape { m: 1, l: 1, n_z: self.dim };
        let density = |theta: &[f64]| {
            let mut log_q = [0.0];
            self.q.log_prob(trace.head(), at, Drawn { noise: &[], z: theta }, &mut log_q);
            log_q[0]
        };
        Ok(theta.outer_iter().map(|theta| density(&theta.to_vec())).collect())
    }

    fn buffers(&self, l: usize) -> Buffers {
        let rows = l + self.q.inner;
        Buffers {
            psi: vec![0.0; rows * self.q.noise],
            eps: vec![0.0; l * self.dim],
            theta: vec![0.0; l * self.dim],
            d_theta: vec![0.0; l * self.dim],
            log_q: vec![0.0; l],
            gradient: vec![0.0; self.params.len()],
            trace: self.mlp.trace(rows, true),
        }
    }
}

/// What a step works with.
struct Buffers {
    psi: Vec<f64>,
    eps: Vec<f64>,
    theta: Vec<f64>,
    d_theta: Vec<f64>,
    log_q: Vec<f64>,
    gradient: Vec<f64>,
    trace: Trace<f64>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::svi::Target;

    fn small(inner: usize) -> Implicit {
        Implicit::new(SemiImplicit { noise: 2, inner }, 2, &[5], 0.3, 1).unwrap()
    }

    #[test]
    fn the_gradient_is_a_central_difference() {
        for inner in [0, 4] {
            let q = small(inner);
            let mut ws = q.buffers(3);
            let at = |q: &Implicit, ws: &mut Buffers| {
                q.estimate(&Target::Banana, 3, &mut rng(0, Stream::User, 0), ws).unwrap()
            };
            at(&q, &mut ws);
            for (j, gradient) in ws.gradient.clone().into_iter().enumerate() {
                let mut moved = |h: f64| {
                    let mut q = q.clone();
                    q.params[j] += h;
                    at(&q, &mut ws)
                };
                let numeric = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                assert!(
                    (gradient - numeric).abs() < 1e-6 * (1.0 + numeric.abs()),
                    "K = {inner}, {j}: {gradient} {numeric}"
                );
            }
        }
    }

    #[test]
    fn the_bound_rises_with_inner_samples_and_stays_below_the_evidence() {
        let bounds: Vec<f64> = [0, 2, 20].iter().map(|&k| small(k).bound(&Target::Ring, 3000, 0).unwrap().0).collect();
        assert!(bounds.is_sorted() && bounds[2] < 0.0, "{bounds:?}");
    }

    /// It leaves the best Gaussian of two modes, which holds one of them and loses ln 2.
    #[test]
    fn it_finds_both_modes() {
        let q = small(20).ascend(&Target::TwoModes, 8, OptimiserConfig::adam(0.02), 600, 0).unwrap();
        let (bound, error) = q.with_inner(500).bound(&Target::TwoModes, 500, 1).unwrap();
        assert!(bound > -0.45 && bound < 3.0 * error, "{bound} ± {error}");
    }

    #[test]
    fn its_density_integrates_to_one() {
        let points = 161;
        let at = |i: usize| -4.0 + 8.0 * i as f64 / (points - 1) as f64;
        let grid =
            Array2::from_shape_fn((points * points, 2), |(k, j)| at(if j == 0 { k / points } else { k % points }));
        let sum: f64 = small(0).log_density(&grid, 50, 0).unwrap().iter().map(|log_q| log_q.exp()).sum();
        assert!((sum * (8.0 / (points - 1) as f64).powi(2) - 1.0).abs() < 1e-6);
    }
}
