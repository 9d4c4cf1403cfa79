//! How many threads a run takes. The results do not depend on it.

use std::sync::Arc;

use rayon::{ThreadPool, ThreadPoolBuilder};

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
    match std::env::var(VARIABLE) {
        Ok(text) if !text.trim().is_empty() => {
            check(text.trim().parse().map_err(|_| Error::config(VARIABLE, format!("is {text:?}, not a number")))?)
        }
        _ => Ok(cores()),
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn more_threads_than_cores_is_an_error_that_says_how_many() {
        assert_eq!(check(1).unwrap(), 1);
        assert!(check(0).is_err());
        let message = check(cores() + 1).unwrap_err().to_string();
        assert!(message.contains("threads") && message.contains(&cores().to_string()), "{message}");
        assert!(pool(1).unwrap().is_none());
    }
}
