//! Work shared by threads that wait for each other without going to sleep.
//!
//! A training step is shared out several times in two milliseconds. A thread of a rayon pool that finds nothing to do sleeps
//! after some microseconds, and to wake it costs fifty, or several hundred on a virtual machine: as much as what it would do.

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::Yield;

/// Both at once, if another thread of the pool is free; else one after the other. Whoever is done first looks for other
/// work until both are.
pub(crate) fn join<A: Send, B: Send>(a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
    let done = AtomicBool::new(false);
    rayon::join(
        || {
            let result = a();
            wait_for(&done);
            result
        },
        || {
            let _when_over = Raise(&done);
            b()
        },
    )
}

/// Does some work on this thread of a pool, while the pool's other threads stay awake to take what is shared out.
pub(crate) fn keep_awake<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    let (here, over) = (rayon::current_thread_index(), AtomicBool::new(false));
    rayon::in_place_scope(|scope| {
        scope.spawn_broadcast(|_, thread| {
            if Some(thread.index()) != here {
                wait_for(&over);
            }
        });
        let _when_over = Raise(&over);
        work()
    })
}

/// Takes what others share out until the flag is up.
fn wait_for(flag: &AtomicBool) {
    while !flag.load(Ordering::Acquire) {
        if rayon::yield_now() != Some(Yield::Executed) {
            // to other processes, if there are any
            std::thread::yield_now();
        }
    }
}

/// Raises a flag at the end of its life, after a panic, too.
struct Raise<'a>(&'a AtomicBool);

impl Drop for Raise<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rayon::ThreadPoolBuilder;

    /// Numbers to share out, how often, and among how many at most: few for Miri, which is slow, the more so where threads spin.
    const N: usize = if cfg!(miri) { 10 } else { 1000 };
    const TIMES: usize = if cfg!(miri) { 2 } else { 50 };
    const THREADS: usize = if cfg!(miri) { 2 } else { 4 };

    /// Σ 0..n, shared out to the last number.
    fn sum(first: usize, n: usize) -> usize {
        if n == 1 {
            return first;
        }
        let (a, b) = join(|| sum(first, n / 2), || sum(first + n / 2, n - n / 2));
        a + b
    }

    #[test]
    fn everything_is_done_once_with_and_without_others_awake() {
        for threads in 1..=THREADS {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let all = N * (N - 1) / 2;
            assert_eq!(pool.install(|| sum(0, N)), all);
            assert_eq!(pool.install(|| keep_awake(|| (0..TIMES).map(|_| sum(0, N)).sum::<usize>())), TIMES * all);
        }
    }

    #[test]
    fn two_are_done_by_two_threads_that_are_awake() {
        let pool = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        // each half waits until the other has begun: one thread alone would never end
        let begun = [AtomicBool::new(false), AtomicBool::new(false)];
        let half = |mine: usize| {
            begun[mine].store(true, Ordering::Release);
            while !begun[1 - mine].load(Ordering::Acquire) {
                std::thread::yield_now();
            }
            rayon::current_thread_index()
        };
        let (a, b) = pool.install(|| keep_awake(|| join(|| half(0), || half(1))));
        assert_ne!(a, b);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_leaves_the_pool_usable() {
        let pool = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        for first in [true, false] {
            let fail = |now: bool| assert!(!now, "as it should");
            let run = || pool.install(|| keep_awake(|| join(|| fail(first), || fail(!first))));
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
            assert!(caught.is_err());
        }
        assert_eq!(pool.install(|| sum(0, 100)), 4950);
    }
}
