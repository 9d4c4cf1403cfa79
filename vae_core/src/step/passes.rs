//! The two passes through the model, and the bound.
//!
//! Per datapoint, with z_l of the posterior's reparameterisation, log w_l = log p(x | z_l) + β [log p(z_l) − log q(z_l | x)] in the gradient;
//! bounds have β = 1.

use std::ops::Range;

use super::ascent::write_gradient;
use super::batch::Batch;
use super::score::{RULE, Samples};
use super::theta::{Realised, Theta};
use super::tuning::DECODED;
use super::workspace::Workspace;
use crate::estimators::{Bound, Kl};
use crate::models::Vae;
use crate::nn::dense::Input;
use crate::numeric::{LogMeanExp, Real, vmath};
use crate::posteriors::Drawn;
use crate::{Error, Result};

impl<F: Real> Workspace<F> {
    /// The estimate of the bound of a minibatch `[M, D]` with the noise in here, nats per datapoint.
    ///
    /// # Errors
    /// [`Error::Shape`] if the minibatch does not fit the model or the buffers, or noise was drawn for fewer datapoints.
    pub fn value<'a>(&mut self, model: &Vae<F>, batch: impl Into<Batch<'a, F>>) -> Result<Bound> {
        let batch = batch.into();
        self.check(model, batch)?;
        self.forward(model, batch, false)?;
        Ok(self.bound())
    }

    /// The estimate and its gradient, which is left in [`Workspace::gradient`]. (Training does not write it down:
    /// [`Ascent`](super::Ascent).)
    ///
    /// # Errors
    /// [`Error::Shape`] if the minibatch does not fit the model or the buffers.
    pub fn gradient<'a>(&mut self, model: &Vae<F>, batch: impl Into<Batch<'a, F>>) -> Result<Bound> {
        let batch = batch.into();
        let bound = self.both_passes(model, batch)?;
        write_gradient(model, batch.input, self)?;
        Ok(bound)
    }

    /// The estimate, and every layer's δ, from which the gradient of the parameters follows.
    pub(super) fn both_passes(&mut self, model: &Vae<F>, batch: Batch<'_, F>) -> Result<Bound> {
        self.check(model, batch)?;
        if !self.backward {
            let (what, found) = ("workspace", "buffers for the value only".into());
            return Err(Error::Shape { what, expected: "buffers for the gradient".into(), found });
        }
        self.forward(model, batch, true)?;
        self.backward(model)?;
        Ok(self.bound())
    }

    /// Takes over M, if the minibatch fits.
    fn check(&mut self, model: &Vae<F>, Batch { input, target }: Batch<'_, F>) -> Result<()> {
        let d = model.data_width();
        let m = target.len() / d;
        if m * d != target.len() || m == 0 || m > self.max_m || input.len() != target.len() {
            return Err(Error::Shape {
                what: "minibatch x [M, D]",
                expected: format!("1 to {} rows of {d} values", self.max_m),
                found: format!("{} values, input {}", target.len(), input.len()),
            });
        }
        let noise = m * self.estimator.samples * model.head().noise;
        if noise > self.drawn {
            let expected = format!("{noise} values for {m} datapoints, by draw_noise or set_noise before the step");
            return Err(Error::Shape { what: "noise", expected, found: self.drawn.to_string() });
        }
        self.m = m;
        self.encoded = m * model.head().rows(self.estimator.samples);
        Ok(())
    }

    fn forward(&mut self, model: &Vae<F>, Batch { input, target }: Batch<'_, F>, backward: bool) -> Result<()> {
        let (d, at) = (model.data_width(), self.shape(model));
        let (m, l, rows) = (at.m, at.l, at.rows());
        let posterior = model.posterior();
        let q = posterior.get::<F>();
        self.sparse.take(input, d, self.encoder.execution);
        if !self.squares.is_empty() {
            let squares = &mut self.squares[..input.len()];
            vmath::zip(squares, input, |_, x| x * x);
            self.sparse_squares.take(squares, d, self.encoder.execution);
        }
        if let Some(realised) = &mut self.realised {
            realised.realise(model);
        }
        let (x, squares) = (self.sparse.input(input), self.sparse_squares.input(&self.squares));
        let theta = Theta::of(model, self.realised.as_ref(), true);
        theta.forward(model.encoder(), x, squares, &mut self.encoder, (m, self.encoded / m))?;
        let head = &self.encoder.head()[..self.encoded * model.head().width];
        let (noise, z) = (&self.noise[..rows * model.head().noise], &mut self.z[..at.len()]);
        q.sample(head, at, noise, z);
        match &self.closed {
            Some(closed) => closed.kl(head, at.n_z, &mut self.kl[..m]),
            None => {
                self.prior.get().log_prob(z, at.n_z, &mut self.log_pz[..rows]);
                q.log_prob(head, at, Drawn { noise, z }, &mut self.log_qz[..rows]);
            }
        }
        self.make_codes(model, at.len());
        if backward {
            self.begin_rule();
        }
        let (points, samples) =
            if backward || self.realised.is_some() { (m, l) } else { ((DECODED / l).max(1), l.min(DECODED)) };
        for (first, count) in parts(m, points) {
            for (sample, l_here) in parts(l, samples) {
                let x = &target[first * d..(first + count) * d];
                let part = first * l + sample..(first + count - 1) * l + sample + l_here;
                self.decode(model, x, l_here, part, backward)?;
            }
        }
        Ok(())
    }

    /// The log weights, as far as they are known before the decoder has spoken.
    fn begin_rule(&mut self) {
        let l = self.estimator.samples;
        for (i, rule) in self.rule[..RULE * self.m * l].chunks_exact_mut(RULE * l).enumerate() {
            for (sample, log_w) in rule[..l].iter_mut().enumerate() {
                let row = i * l + sample;
                *log_w = match &self.closed {
                    Some(_) => 0.0,
                    None => self.beta * (self.log_pz[row].f64() - self.log_qz[row].f64()),
                };
            }
        }
    }

    /// log p(x | z) of some rows of z, which are `l` samples for each of these datapoints x `[·, D]`, and its weighed gradient.
    fn decode(&mut self, model: &Vae<F>, x: &[F], l: usize, rows: Range<usize>, backward: bool) -> Result<()> {
        let n_z = model.latent();
        let z = if self.codes.is_empty() { &self.z } else { &self.codes };
        let z = &z[rows.start * n_z..rows.end * n_z];
        let squares = Input::dense(&[][..]);
        let theta = Theta::of(model, self.realised.as_ref(), false);
        theta.forward(model.decoder(), Input::dense(z), squares, &mut self.decoder, (rows.len(), 1))?;
        let (len, threads) = (rows.len() * model.decoder().outputs(), self.decoder.execution.threads);
        let [rule, d_shared] = if backward { [RULE * rows.len(), rows.len().min(self.d_shared.len())] } else { [0, 0] };
        let samples = Samples {
            x,
            head: &mut self.decoder.head_mut()[..len],
            log_px: &mut self.log_px[rows],
            rule: &mut self.rule[..rule],
            d_shared: &mut self.d_shared[..d_shared],
        };
        samples.score(model, l, backward.then_some((self.estimator.form.get(), self.m)), threads);
        Ok(())
    }

    /// The bound of the last forward pass.
    fn bound(&self) -> Bound {
        let weights = self.realised.as_ref().map_or(0.0, Realised::kl);
        self.bound_of_data().with_weights(self.per_datapoint * weights)
    }

    fn bound_of_data(&self) -> Bound {
        let l = self.estimator.samples;
        let rows = self.m * l;
        let reconstruction = mean(&self.log_px[..rows]);
        if self.estimator.form.get().is_importance_weighted() {
            let mut sum = 0.0;
            for i in 0..self.m {
                let mut bound = LogMeanExp::default();
                for row in i * l..(i + 1) * l {
                    bound.push(self.log_px[row].f64() + self.log_pz[row].f64() - self.log_qz[row].f64());
                }
                sum += bound.value();
            }
            return Bound::new(reconstruction, reconstruction - sum / self.m as f64);
        }
        let kl = match &self.closed {
            Some(_) => mean(&self.kl[..self.m]),
            None => mean(&self.log_qz[..rows]) - mean(&self.log_pz[..rows]),
        };
        Bound::new(reconstruction, kl)
    }

    /// Back from the likelihood to every layer's δ.
    fn backward(&mut self, model: &Vae<F>) -> Result<()> {
        let at = self.shape(model);
        let (m, rows, noise) = (at.m, at.rows(), at.rows() * model.head().noise);
        self.weigh_rows();
        let (z, dz, noise) = (&self.z[..at.len()], &mut self.dz[..at.len()], &self.noise[..noise]);
        let theta = Theta::of(model, self.realised.as_ref(), false);
        let codes = if self.codes.is_empty() { z } else { &self.codes[..at.len()] };
        theta.backward(model.decoder(), &mut self.decoder, codes, Some(&mut *dz), rows)?;
        model.back_from_codes(codes, dz);

        let (posterior, kl) = (model.posterior(), self.estimator.form.get().kl());
        let q = posterior.get::<F>();
        let (head, d_head) = self.encoder.head_and_delta();
        let len = self.encoded * model.head().width;
        let (head, d_head, drawn) = (&head[..len], &mut d_head[..len], Drawn { noise, z });
        if kl != Kl::Closed {
            self.prior.get().add_gradient(z, at.n_z, &self.rows.log_p[..rows], dz);
        }
        if kl == Kl::Path {
            q.add_path(head, at, drawn, &self.rows.log_q[..rows], dz);
        }
        for (dz, &path) in dz.chunks_exact_mut(at.n_z).zip(&self.rows.path) {
            vmath::map(dz, |dz| path * dz);
        }
        let score = (kl == Kl::Path).then_some(&self.rows.score[..rows]);
        q.backward(head, at, drawn, dz, score, d_head);
        match (&self.closed, kl) {
            (Some(closed), _) => closed.subtract_gradient(head, at.n_z, F::of(self.beta / m as f64), d_head),
            (None, Kl::Sampled) => q.add_log_prob_gradient(head, at, drawn, &self.rows.log_q[..rows], d_head),
            _ => {}
        }
        let theta = Theta::of(model, self.realised.as_ref(), true);
        theta.backward(model.encoder(), &mut self.encoder, &[], None, self.encoded)?;
        model.encoder().sum_over_injection(&mut self.encoder, (m, self.encoded / m));
        Ok(())
    }

    /// What the estimator has made of the samples, row by row.
    fn weigh_rows(&mut self) {
        let (l, m) = (self.estimator.samples, self.m as f64);
        for (i, rule) in self.rule[..RULE * self.m * l].chunks_exact(RULE * l).enumerate() {
            for sample in 0..l {
                let (row, of) = (i * l + sample, |what: usize| rule[what * l + sample]);
                self.rows.log_p[row] = F::of(self.beta * of(1) / m);
                self.rows.log_q[row] = F::of(-self.beta * of(1) / m);
                self.rows.path[row] = F::of(of(2));
                self.rows.score[row] = F::of(of(3) / m);
            }
        }
    }
}

/// Starts and lengths of parts of `n` things, each of `most` at most.
fn parts(n: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).step_by(most).map(move |first| (first, most.min(n - first)))
}

/// The mean, summed in f64.
pub(super) fn mean<F: Real>(values: &[F]) -> f64 {
    values.iter().map(|v| v.f64()).sum::<f64>() / values.len() as f64
}
