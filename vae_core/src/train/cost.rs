//! What a training step costs.

use std::time::Instant;

use super::trainer::Trainer;
use crate::config::{Budget, RecordAt, RunConfig};
use crate::data::dataset::Dataset;
use crate::nn::Mlp;
use crate::nn::dense::Dense;
use crate::{Error, Result};

impl Trainer {
    /// Floating-point operations of the dense products of an update, per training sample: two for each multiply-add,
    /// forward, for the weights' gradient, and for the inputs' gradient, which the first layer does not need.
    pub fn flop_per_sample(&self) -> f64 {
        let size = |l: &Dense| (l.inputs * l.outputs) as f64;
        let passes = |mlp: &Mlp| 3.0 * mlp.layers().iter().map(size).sum::<f64>();
        let (encoder, decoder) = (self.model().encoder(), self.model().decoder());
        let spared = encoder.layers().first().map_or(0.0, size);
        2.0 * (passes(encoder) - spared + self.config().estimator.samples as f64 * passes(decoder))
    }
}

/// Steps that are timed together.
const STEPS: usize = 20;

/// Seconds a training step of each configuration takes on one thread, without the records of a run: medians over so many rounds, in each of
/// which all have their turn, so that what else the machine does falls on all alike.
///
/// # Errors
/// [`Error::Config`] for no rounds; otherwise as [`Trainer::new`] and [`Trainer::step`].
pub fn step_costs(configs: &[RunConfig], data: &Dataset, rounds: usize) -> Result<Vec<f64>> {
    if rounds == 0 {
        return Err(Error::config("rounds", "is 0; measure at least one"));
    }
    // no bounds on held-out data in between, and an end beyond all rounds, which a schedule can span
    let bare = |c: &RunConfig| RunConfig {
        record: RecordAt::Samples(u64::MAX),
        budget: Budget::Samples(1 << 59),
        ..c.clone()
    };
    let mut trainers =
        configs.iter().map(|c| Trainer::new(&bare(c), data)?.on_threads(1)).collect::<Result<Vec<_>>>()?;
    let mut taken = vec![Vec::with_capacity(rounds); configs.len()];
    // the first round only fills caches and buffers
    for round in 0..=rounds {
        for (trainer, taken) in trainers.iter_mut().zip(&mut taken) {
            let start = Instant::now();
            for _ in 0..STEPS {
                trainer.step(data)?;
            }
            if round > 0 {
                taken.push(start.elapsed().as_secs_f64() / STEPS as f64);
            }
        }
    }
    Ok(taken.into_iter().map(median).collect())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::corruption::{Masking, NoiseSchedule};
    use crate::data::dataset::{DatasetConfig, DatasetKind};
    use crate::estimators::Form;
    use crate::optim::Schedule;

    #[test]
    fn each_configuration_has_its_time() {
        let data = DatasetConfig::new(DatasetKind::SyntheticDigits).load().unwrap();
        let config = |l: usize| {
            let mut config = RunConfig::report(data.config).estimator(Form::B, l);
            (config.model.encoder, config.model.decoder) = (vec![20], vec![20]);
            config
        };
        let found = step_costs(&[config(1), config(16)], &data, 3).unwrap();
        assert!(found.len() == 2 && found.iter().all(|&s| s > 0.0), "{found:?}");
        assert!(step_costs(&[config(1)], &data, 0).is_err());
        // what spans the budget has its time, too
        let falling =
            RunConfig { noise_schedule: NoiseSchedule::Falling, ..config(1).corruption(Masking { level: 0.5 }) };
        let cosine = RunConfig { schedule: Schedule::Cosine { last: 0.1 }, ..config(1) };
        assert_eq!(step_costs(&[falling, cosine], &data, 1).unwrap().len(), 2);
    }
}
