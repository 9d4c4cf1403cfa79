//! The constants of a step that were measured; `benches/README.md` says on what, and what other values cost.

/// Values of δ of a layer, or fewer, that stay in the second-level cache: it is packed once for all strips that a thread takes.
pub(super) const NEAR: usize = 192 << 10;
/// Values of a strip of such a layer, at most but for rounding to [`ROWS`]: they, their parameters and state stay near together.
pub(super) const STRIP: usize = 32 << 10;
/// Values of any other strip, at most: for each, what its product reads is packed anew. So there are no more of them than threads, if
/// that suffices.
pub(super) const LONG_STRIP: usize = 200 << 10;
/// Strips for each of several threads, but for that rounding and for long ones, so that all are done at about the same time.
pub(super) const SHARES: usize = 6;
/// Values that are scaled, checked and applied together, in the first-level cache.
pub(super) const PIECE: usize = 2 << 10;
/// Rows of a strip come in multiples of this, of the tiles and runs of the products.
pub(super) const ROWS: usize = 12;
/// Datapoints of the minibatch that tell whether the sparse form of x pays.
pub(super) const PROBE: usize = 8;
/// Samples that are decoded at once where only the value is wanted: what the decoder says of them is scored before it leaves the cache.
pub(super) const DECODED: usize = 192;
/// Values of the decoder's head that are scored at once, so that they stay in the cache for what comes next.
pub(super) const SCORED: usize = 8 << 10;
