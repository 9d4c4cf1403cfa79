//! A list of configurations: a base, varied over any fields, times seeds.

use std::fmt::Display;

use super::run::RunConfig;

/// Named configurations: `Grid::of(base).over("M", [20, 60], |c, m| c.batch = m).seeds(0..3)`. Each axis multiplies the list.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// Names ("M = 20, seed 0") and configurations; the first axis varies slowest.
    pub runs: Vec<(String, RunConfig)>,
}

impl Grid {
    /// Only the base, without a name.
    pub fn of(base: RunConfig) -> Self {
        Self { runs: vec![(String::new(), base)] }
    }

    /// Every configuration so far with each of these values, which `set` puts into it.
    #[must_use]
    pub fn over<T: Clone + Display>(
        self,
        axis: &str,
        values: impl IntoIterator<Item = T>,
        set: impl Fn(&mut RunConfig, T),
    ) -> Self {
        let values: Vec<T> = values.into_iter().collect();
        let vary = |(name, config): (String, RunConfig)| {
            let comma = if name.is_empty() { "" } else { ", " };
            let vary = |value: &T| {
                let mut config = config.clone();
                set(&mut config, value.clone());
                (format!("{name}{comma}{axis} = {value}"), config)
            };
            values.iter().map(vary).collect::<Vec<_>>()
        };
        Self { runs: self.runs.into_iter().flat_map(vary).collect() }
    }

    /// Every configuration so far with each of these seeds.
    #[must_use]
    pub fn seeds(self, seeds: impl IntoIterator<Item = u64>) -> Self {
        self.over("seed", seeds, |config, seed| config.seed = seed)
    }

    /// This list, and then another.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.runs.extend(other.runs);
        self
    }

    /// The configurations.
    pub fn configs(&self) -> Vec<RunConfig> {
        self.runs.iter().map(|run| run.1.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::dataset::{DatasetConfig, DatasetKind};

    #[test]
    fn axes_multiply_and_the_first_varies_slowest() {
        let base = RunConfig::report(DatasetConfig::new(DatasetKind::SyntheticDigits));
        let grid = Grid::of(base.clone()).over("M", [20, 60], |c, m| c.batch = m).seeds(0..3);
        let names: Vec<&str> = grid.runs.iter().map(|run| run.0.as_str()).collect();
        assert_eq!(names[..3], ["M = 20, seed = 0", "M = 20, seed = 1", "M = 20, seed = 2"]);
        assert_eq!((grid.runs.len(), grid.runs[4].1.batch, grid.runs[4].1.seed), (6, 60, 1));
        assert_eq!(grid.and(Grid::of(base)).configs().len(), 7);
    }
}
