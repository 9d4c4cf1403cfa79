//! How many threads a run takes. The results do not depend on it.

mod awake;

pub(crate) use awake::{join, keep_awake};

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ndarray::{ArrayViewMut2, Axis};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::environment::variable;
use crate::{Error, Result};

/// The environment variable that limits the threads of this process.
pub const VARIABLE: &str = "VAEB_THREADS";

/// Cores of this machine, as far as the process may use them.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Threads that this process may use: `VAEB_THREADS`, or all cores.
///
/// # Errors
/// [`Error::Config`] if `VAEB_THREADS` is not a number of threads that the machine has cores for.
pub fn available() -> Result<usize> {
    match variable(VARIABLE)? {
        Some(text) => check(text.parse().map_err(|_| Error::config(VARIABLE, format!("is {text:?}, not a number")))?),
        None => Ok(cores()),
    }
}

/// The same number, if the machine has so many cores.
///
/// # Errors
/// [`Error::Config`] otherwise.
pub fn check(threads: usize) -> Result<usize> {
    let cores = cores();
    if (1..=cores).contains(&threads) {
        return Ok(threads);
    }
    let reason = format!(
        "is {threads}; this machine has {cores} cores, and more threads than cores only wait: use 1 to {cores}"
    );
    Err(Error::config("threads", reason))
}

/// A pool of so many threads; none for one.
pub(crate) fn pool(threads: usize) -> Result<Option<Arc<ThreadPool>>> {
    if check(threads)? == 1 {
        return Ok(None);
    }
    let name = |i| format!("training {i}");
    let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(name).build();
    pool.map(|pool| Some(Arc::new(pool))).map_err(|e| Error::config("threads", format!("could not be started: {e}")))
}

/// Does some work on groups of neighbouring columns of two matrices, a group for each of so many threads of this rayon pool. It is told
/// the first column. The second matrix may have no columns.
pub(crate) fn by_columns<F: Send>(
    a: ArrayViewMut2<'_, F>,
    b: ArrayViewMut2<'_, F>,
    first: usize,
    threads: usize,
    work: &(impl Fn(ArrayViewMut2<'_, F>, ArrayViewMut2<'_, F>, usize) -> Result<()> + Sync),
) -> Result<()> {
    /// Groups begin at whole vectors.
    const WHOLE: usize = 16;
    let cut = (a.ncols() * (threads / 2) / threads.max(1)).next_multiple_of(WHOLE);
    if threads <= 1 || cut >= a.ncols() {
        return work(a, b, first);
    }
    let (a_left, a_right) = a.split_at(Axis(1), cut);
    let at = cut.min(b.ncols());
    let (b_left, b_right) = b.split_at(Axis(1), at);
    let (left, right) = join(
        || by_columns(a_left, b_left, first, threads / 2, work),
        || by_columns(a_right, b_right, first + cut, threads - threads / 2, work),
    );
    left.and(right)
}

/// `work(first)`, `work(first + 1)`, … once for each of so many threads of this rayon pool.
pub(crate) fn on_each(first: usize, threads: usize, work: &(impl Fn(usize) -> Result<()> + Sync)) -> Result<()> {
    if threads <= 1 {
        return work(first);
    }
    let half = threads / 2;
    let (a, b) = join(|| on_each(first, half, work), || on_each(first + half, threads - half, work));
    a.and(b)
}

/// Things that threads use one at a time, made when there are not enough.
pub(crate) struct Pool<T, M: Fn() -> Result<T>> {
    free: Mutex<Vec<T>>,
    make: M,
}

impl<T, M: Fn() -> Result<T>> Pool<T, M> {
    pub(crate) fn new(make: M) -> Self {
        Self { free: Mutex::default(), make }
    }

    /// Does something with one of them.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut T) -> Result<R>) -> Result<R> {
        let free = || self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = free().pop();
        let mut thing = taken.map_or_else(&self.make, Ok)?;
        let result = work(&mut thing);
        free().push(thing);
        result
    }
}

/// `task(0)`, `task(1)`, … `task(n − 1)` on up to so many threads, in the order of the numbers; the first error, if any.
///
/// # Errors
/// Those of the tasks.
pub(crate) fn in_parallel<T: Send>(
    n: usize,
    threads: usize,
    task: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    if threads.min(n) <= 1 {
        return (0..n).map(task).collect();
    }
    let next = AtomicUsize::new(0);
    let worker = || -> Vec<(usize, Result<T>)> {
        std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)).filter(|i| *i < n))
            .map(|i| (i, task(i)))
            .collect()
    };
    let workers = threads.min(n);
    let mut done = if rayon::current_thread_index().is_some() {
        on_this_pool(workers, &worker)
    } else {
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..workers).map(|_| scope.spawn(worker)).collect();
            let mut done = worker();
            for other in others {
                match other.join() {
                    Ok(more) => done.extend(more),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            done
        })
    };
    done.sort_unstable_by_key(|(i, _)| *i);
    done.into_iter().map(|(_, result)| result).collect()
}

/// What so many calls of `worker` return, at once as far as threads of this pool are free.
fn on_this_pool<T: Send>(calls: usize, worker: &(impl Fn() -> Vec<T> + Sync)) -> Vec<T> {
    if calls <= 1 {
        return worker();
    }
    let (mut first, others) = join(worker, || on_this_pool(calls - 1, worker));
    first.extend(others);
    first
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use ndarray::Array2;

    #[test]
    fn more_threads_than_cores_is_an_error_that_says_how_many() {
        assert_eq!(check(1).unwrap(), 1);
        assert!(check(0).is_err());
        let message = check(cores() + 1).unwrap_err().to_string();
        assert!(message.contains("threads") && message.contains(&cores().to_string()), "{message}");
        assert!(pool(1).unwrap().is_none());
    }

    #[test]
    fn every_column_is_given_out_once_with_its_number() {
        for (columns, others, threads) in [(0, 0, 2), (1, 1, 2), (40, 40, 2), (100, 0, 3), (131, 131, 5)] {
            let mut a = Array2::<usize>::zeros((3, columns));
            let mut b = Array2::<usize>::zeros((3, others));
            by_columns(a.view_mut(), b.view_mut(), 0, threads, &|mut a, mut b, first| {
                assert!(b.ncols() == 0 || b.ncols() == a.ncols());
                a.columns_mut().into_iter().enumerate().for_each(|(j, mut column)| column += 1 + first + j);
                b.columns_mut().into_iter().enumerate().for_each(|(j, mut column)| column += 1 + first + j);
                Ok(())
            })
            .unwrap();
            for matrix in [a, b] {
                assert!(matrix.columns().into_iter().enumerate().all(|(j, column)| column.iter().all(|v| *v == 1 + j)));
            }
        }
    }

    #[test]
    fn tasks_are_done_once_and_kept_in_order() {
        for (n, threads) in [(0, 3), (1, 3), (17, 1), (17, 3)] {
            let squares: Vec<usize> = (0..n).map(|i| i * i).collect();
            assert_eq!(in_parallel(n, threads, |i| Ok(i * i)).unwrap(), squares);
            let pool = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
            assert_eq!(pool.install(|| in_parallel(n, threads, |i| Ok(i * i))).unwrap(), squares);
        }
        let first = in_parallel(9, 2, |i| if i > 3 { Err(Error::config("i", i.to_string())) } else { Ok(i) });
        assert!(first.unwrap_err().to_string().contains('4'));
    }
}
