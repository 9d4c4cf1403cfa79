//! q(z | x) = Π_j Kumaraswamy(z_j; a_j, b_j) on (0, 1) (Kumaraswamy 1980; Nalisnick & Smyth 2017), near a Beta density, but with a distribution
//! function that can be inverted: z = (1 − u^{1/b})^{1/a}, u ~ U(0, 1). The head `[M, 2 N_z]` holds numbers whose softplus, shifted so that 0
//! gives 1, are a, then b: at the start it is uniform.
//!
//! Everything is by logarithms, over y = logit z, in f64: with t = log(u)/b, so that 1 − zᵃ = eᵗ, ℓ = log z = log(1 − eᵗ)/a, m = log(1 − z),
//!
//! ```text
//! y = ℓ − m               log q(y) = log ab + a ℓ + m + (b − 1) t      (the factor z(1 − z) of dz/dy included)
//! ∂y/∂a = −ℓ e^{−m} / a   ∂y/∂b = t e^{t−m} / (a b (1 − eᵗ))
//! at fixed y: ∂log q/∂y = a(1 − z) − z − (b − 1) a (1 − eᵗ) e^{m−t}    ∂/∂a = 1/a + ℓ − (b − 1) ℓ (1 − eᵗ) e^{−t}    ∂/∂b = 1/b + t
//! ```

use rand_distr::{Distribution, Exp1};
use statrs::function::beta::ln_beta;
use statrs::function::gamma::{digamma, ln_gamma};

use super::posterior::{Drawn, Head, Posterior, Shape};
use crate::numeric::Real;
use crate::numeric::real::{sigmoid, softplus};
use crate::priors::{Beta, Support};
use crate::rng::Rng;

/// A Kumaraswamy density for each latent variable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kumaraswamy;

/// softplus(SHIFT) = 1.
const SHIFT: f64 = 0.541_324_854_612_918_1;
/// Added to a and b, so that neither can be 0.
const LEAST: f64 = 1e-3;

/// Below it, log(1 − eˣ) is −eˣ to all digits.
const FAR: f64 = -40.0;

/// log(1 − eˣ) of x < 0.
fn log_1m_exp(x: f64) -> f64 {
    if x > -std::f64::consts::LN_2 { (-x.exp_m1()).ln() } else { (-x.exp()).ln_1p() }
}

/// Terms of the series that are summed one by one.
const TERMS: u32 = 2000;

/// D_KL(Kumaraswamy(a, b) ‖ Beta(α, β)) in nats (Nalisnick & Smyth 2017, appendix):
///
/// (a − α)/a · (−γ − ψ(b) − 1/b) + log ab + log B(α, β) − (b − 1)/b + (β − 1) b Σ_{m ≥ 1} B(m/a, b)/(m + ab),
///
/// with the true digamma function ψ, and what is left of the series after some terms by its integral: its terms fall as m^{−1−b} only, and the ten
/// that are usual make the divergence negative for small b. For reading, not for training, which samples it (L^A).
pub fn kumaraswamy_beta_divergence(a: f64, b: f64, prior: Beta) -> f64 {
    let Beta { alpha, beta, .. } = prior;
    let first = (a - alpha) / a * (-EULER - digamma(b) - 1.0 / b);
    let closed = first + (a * b).ln() + ln_beta(alpha, beta) - (b - 1.0) / b;
    if beta == 1.0 {
        return closed;
    }
    let term = |m: f64| ln_beta(m / a, b).exp() / (m + a * b);
    let sum: f64 = (1..=TERMS).map(|m| term(f64::from(m))).sum();
    // term(m) ≈ C m^{−1−b} (1 − d/m) from here on
    let end = f64::from(TERMS) + 0.5;
    let (scale, d) = ((ln_gamma(b) + b * a.ln()).exp(), a * b + 0.5 * a * b * (b - 1.0));
    let rest = scale * (end.powf(-b) / b - d * end.powf(-1.0 - b) / (1.0 + b));
    closed + (beta - 1.0) * b * (sum + rest)
}

/// Euler's constant γ.
const EULER: f64 = 0.577_215_664_901_532_9;

/// One coordinate: its numbers, and the noise log u < 0.
struct At {
    a: f64,
    b: f64,
    slopes: [f64; 2],
    t: f64,
    /// log z.
    l: f64,
    /// log(−log z), which has digits where log z has none left.
    log_l: f64,
    /// log(1 − z).
    m: f64,
}

impl At {
    fn new<F: Real>(head_a: F, head_b: F, log_u: F) -> Self {
        let [a, b] = [head_a, head_b].map(|h| softplus(h.f64() + SHIFT) + LEAST);
        let slopes = [head_a, head_b].map(|h| sigmoid(h.f64() + SHIFT));
        let t = log_u.f64().min(-1e-300) / b;
        let log_power = log_1m_exp(t);
        // log(1 − eᵗ) ≈ −eᵗ: with b near 0, t is far below what eᵗ can hold
        let log_l = if t < FAR { t } else { (-log_power).ln() } - a.ln();
        let l = log_power / a;
        let m = if log_l < FAR { log_l } else { log_1m_exp(l.min(-1e-300)) };
        Self { a, b, slopes, t, l, log_l, m }
    }

    fn log_q(&self) -> f64 {
        (self.a * self.b).ln() + self.a * self.l + self.m + (self.b - 1.0) * self.t
    }

    /// 1 − eᵗ = zᵃ.
    fn power(&self) -> f64 {
        -self.t.exp_m1()
    }

    /// ∂y/∂a and ∂y/∂b.
    fn path(&self) -> [f64; 2] {
        let ratio = self.t / self.power(); // −1 at t = 0
        [(self.log_l - self.m).exp() / self.a, ratio * (self.t - self.m).exp() / (self.a * self.b)]
    }

    /// ∂ log q/∂y at fixed a and b.
    fn slope(&self) -> f64 {
        let (z, rest) = (self.l.exp(), self.m.exp());
        self.a * rest - z - (self.b - 1.0) * self.a * self.power() * (self.m - self.t).exp()
    }

    /// ∂ log q/∂a and ∂/∂b at fixed y.
    fn score(&self) -> [f64; 2] {
        let ratio = -(self.log_l - self.t).exp(); // ℓ e^{−t}
        [1.0 / self.a + self.l - (self.b - 1.0) * self.power() * ratio, 1.0 / self.b + self.t]
    }
}

/// Every coordinate of every sample: its numbers, its place in z, and those of a and b in the head.
fn each<'a, F: Real>(
    head: &'a [F],
    Shape { l, n_z: n, .. }: Shape,
    noise: &'a [F],
) -> impl Iterator<Item = (At, usize, [usize; 2])> + 'a {
    noise.iter().enumerate().map(move |(k, &log_u)| {
        let (row, j) = (k / n, k % n);
        let places = [row / l * 2 * n + j, row / l * 2 * n + n + j];
        (At::new(head[places[0]], head[places[1]], log_u), k, places)
    })
}

impl<F: Real> Posterior<F> for Kumaraswamy {
    fn head(&self, n_z: usize) -> Head {
        Head::plain(2 * n_z, n_z, n_z)
    }

    fn lives_on(&self, support: Support) -> bool {
        support == Support::Unit
    }

    /// log u.
    fn draw(&self, rng: &mut Rng, noise: &mut [F]) {
        for noise in noise {
            let exponential: f64 = Exp1.sample(rng);
            *noise = F::of(-exponential);
        }
    }

    fn sample(&self, head: &[F], at: Shape, noise: &[F], y: &mut [F]) {
        each(head, at, noise).for_each(|(q, k, _)| y[k] = F::of(q.l - q.m));
    }

    fn log_prob(&self, head: &[F], at: Shape, Drawn { noise, .. }: Drawn<'_, F>, log_q: &mut [F]) {
        log_q.fill(F::zero());
        each(head, at, noise).for_each(|(q, k, _)| log_q[k / at.n_z] += F::of(q.log_q()));
    }

    fn add_path(&self, head: &[F], at: Shape, Drawn { noise, .. }: Drawn<'_, F>, weights: &[F], dy: &mut [F]) {
        each(head, at, noise).for_each(|(q, k, _)| dy[k] += weights[k / at.n_z] * F::of(q.slope()));
    }

    fn backward(
        &self,
        head: &[F],
        at: Shape,
        Drawn { noise, .. }: Drawn<'_, F>,
        dy: &[F],
        score: Option<&[F]>,
        d_head: &mut [F],
    ) {
        d_head.fill(F::zero());
        for (q, k, places) in each(head, at, noise) {
            let (path, of_density) = (q.path(), q.score());
            let weight = score.map_or(0.0, |score| score[k / at.n_z].f64());
            for i in 0..2 {
                d_head[places[i]] += F::of((dy[k].f64() * path[i] + weight * of_density[i]) * q.slopes[i]);
            }
        }
    }

    fn add_log_prob_gradient(
        &self,
        head: &[F],
        at: Shape,
        Drawn { noise, .. }: Drawn<'_, F>,
        weights: &[F],
        d_head: &mut [F],
    ) {
        for (q, k, places) in each(head, at, noise) {
            let (path, of_density, slope) = (q.path(), q.score(), q.slope());
            let weight = weights[k / at.n_z].f64();
            for i in 0..2 {
                d_head[places[i]] += F::of(weight * (slope * path[i] + of_density[i]) * q.slopes[i]);
            }
        }
    }

    /// The median.
    fn centre(&self, head: &[F], n: usize, centre: &mut [F]) {
        for (head, centre) in head.chunks_exact(2 * n).zip(centre.chunks_exact_mut(n)) {
            for j in 0..n {
                let q = At::new(head[j], head[n + j], F::of(0.5f64.ln()));
                centre[j] = F::of(q.l - q.m);
            }
        }
    }

    /// Of y, from the width of the middle 68 % of its distribution.
    fn log_variance(&self, head: &[F], n: usize, log_variance: &mut [F]) {
        const LOW: f64 = 0.158_655_253_931_457_05;
        for (head, log_variance) in head.chunks_exact(2 * n).zip(log_variance.chunks_exact_mut(n)) {
            for j in 0..n {
                let y = |u: f64| {
                    let q = At::new(head[j], head[n + j], F::of(u.ln()));
                    q.l - q.m
                };
                log_variance[j] = F::of(2.0 * (0.5 * (y(LOW) - y(1.0 - LOW))).ln());
            }
        }
    }
}
