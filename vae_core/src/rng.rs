//! Named streams of one seed.
//!
//! Every random number of a run comes from `rng(seed, stream, index)`: a ChaCha8 generator (its output is fixed by
//! its specification, so it is the same on every machine and in every version) whose stream is the *purpose* and whose
//! position is the *index* (the update, the epoch, …). Nothing has to be carried along or stored: a run that is
//! resumed at update `k` asks for index `k` again.

use rand::SeedableRng;

/// The generator behind every random number.
pub use rand_chacha::ChaCha8Rng as Rng;

/// What the numbers are for. The discriminants are part of every stored result: append, never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Stream {
    /// Initial weights; index = place of the tensor in the flat parameter vector.
    Init = 1,
    /// Order of the data; index = epoch.
    Shuffle = 2,
    /// ε of eq. 14 while training; index = update.
    Noise = 3,
    /// Corruption of the input; index = update.
    Corruption = 4,
    /// ε of held-out evaluation; index = block of datapoints.
    Evaluation = 5,
    /// Binarisation of grey values; index = epoch (0 for the fixed draw).
    Binarisation = 6,
    /// Random split into training and held-out data.
    Split = 7,
    /// Embedded, procedurally drawn data; index = image.
    Synthetic = 8,
    /// Samples from the prior.
    Prior = 9,
    /// Whatever a notebook draws for itself.
    User = 10,
    /// ε of stochastic variational inference; index = 0 for a sample of gradients, step for an ascent, 2⁶⁴ − 1, which is 2³⁶ − 1, for data drawn from a model.
    Svi = 11,
    /// ε of a sample of gradients; index = draw.
    Gradient = 12,
    /// ε of importance samples for log p(x); index = datapoint, or the number of datapoints for those that all draw at once.
    Marginal = 13,
    /// ζ of the weights while training: index = update; of samples of them elsewhere: 2³⁵ + number of the sample.
    Weights = 14,
    /// Momenta and acceptances of Hamiltonian Monte Carlo; index = move, or update of Monte Carlo EM, whose chains begin at 2³⁵.
    Chains = 15,
    /// z and x of the dreams of wake-sleep; index = update.
    Dream = 16,
}

/// The generator of `stream` at `index`; distinct `(seed, stream, index)` never overlap within 2³² words of 32 bits. Indices count
/// modulo 2³⁶, where ChaCha's counter begins anew: 2³⁶ is 0 again. A run has its first update's noise once more after 7·10¹⁰ updates.
pub fn rng(seed: u64, stream: Stream, index: u64) -> Rng {
    let mut rng = Rng::seed_from_u64(seed);
    rng.set_stream(stream as u64);
    rng.set_word_pos(u128::from(index) << 32);
    rng
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngCore;

    #[test]
    fn streams_and_indices_differ_and_repeat() {
        let draw = |seed, stream, index| rng(seed, stream, index).next_u64();
        assert_eq!(draw(1, Stream::Noise, 7), draw(1, Stream::Noise, 7));
        let all =
            [draw(1, Stream::Noise, 7), draw(1, Stream::Noise, 8), draw(1, Stream::Init, 7), draw(2, Stream::Noise, 7)];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b));
        }
    }

    #[test]
    fn indices_count_modulo_2_to_the_36() {
        let draw = |index: u64| rng(1, Stream::Noise, index).next_u64();
        assert_eq!((draw(1 << 36), draw(u64::MAX)), (draw(0), draw((1 << 36) - 1)));
        assert_ne!(draw((1 << 36) - 1), draw(0));
    }

    #[test]
    fn output_is_pinned() {
        // Stored results depend on these bits.
        assert_eq!(rng(0, Stream::Noise, 0).next_u64(), 722_560_577_158_678_697);
    }
}
