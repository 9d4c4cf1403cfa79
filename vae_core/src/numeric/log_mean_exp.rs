//! The logarithm of a mean of exponentials.

/// log (1/n Σ eᵛ), carried along without overflow.
#[derive(Clone, Copy, Debug)]
pub struct LogMeanExp {
    max: f64,
    sum: f64,
    count: u64,
}

impl Default for LogMeanExp {
    fn default() -> Self {
        Self { max: f64::NEG_INFINITY, sum: 0.0, count: 0 }
    }
}

impl LogMeanExp {
    /// Takes one more term eᵛ into the mean.
    pub fn push(&mut self, v: f64) {
        self.count += 1;
        if v <= self.max {
            if v > f64::NEG_INFINITY {
                self.sum += (v - self.max).exp();
            }
        } else if v.is_nan() {
            (self.max, self.sum) = (f64::NAN, f64::NAN);
        } else {
            self.sum = self.sum * (self.max - v).exp() + 1.0;
            self.max = v;
        }
    }

    /// log (1/n Σ eᵛ); −∞ for no terms.
    pub fn value(&self) -> f64 {
        if self.count == 0 { f64::NEG_INFINITY } else { self.max + self.sum.ln() - (self.count as f64).ln() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn log_mean_exp_is_the_direct_formula(v in prop::collection::vec(-600.0f64..600.0, 1..50)) {
            let mut stream = LogMeanExp::default();
            v.iter().for_each(|&v| stream.push(v));
            let max = v.iter().copied().fold(f64::MIN, f64::max);
            let direct = max + (v.iter().map(|v| (v - max).exp()).sum::<f64>() / v.len() as f64).ln();
            prop_assert!((stream.value() - direct).abs() < 1e-10);
        }
    }

    #[test]
    fn log_mean_exp_at_the_edges() {
        assert_eq!(LogMeanExp::default().value(), f64::NEG_INFINITY);
        let mut s = LogMeanExp::default();
        s.push(f64::NEG_INFINITY);
        assert_eq!(s.value(), f64::NEG_INFINITY);
        s.push(0.0);
        assert!((s.value() + 2f64.ln()).abs() < 1e-15);
        s.push(f64::NAN);
        assert!(s.value().is_nan());
    }
}
