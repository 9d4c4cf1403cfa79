//! How much a notebook does, and its parameters from the environment.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::data::dataset::{Dataset, DatasetConfig, DatasetKind, Limit};
use crate::environment::variable;
use crate::{Error, Result};

/// How much a notebook does; from `VAEB_PROFILE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Embedded data, seconds: does everything still work?
    Smoke,
    /// About a minute or two a notebook; real data if they are there.
    #[default]
    Quick,
    /// The published results: real data, full length.
    Report,
}

impl Profile {
    /// From `VAEB_PROFILE`; `quick` if it is not set.
    ///
    /// # Errors
    /// [`Error::Config`] if it is something else.
    pub fn from_env() -> Result<Self> {
        match variable("VAEB_PROFILE")?.as_deref() {
            None | Some("quick") => Ok(Self::Quick),
            Some("smoke") => Ok(Self::Smoke),
            Some("report") => Ok(Self::Report),
            Some(other) => Err(Error::config("VAEB_PROFILE", format!("is `{other}`; use smoke, quick or report"))),
        }
    }

    /// One of three values.
    pub fn pick<T>(self, smoke: T, quick: T, report: T) -> T {
        match self {
            Self::Smoke => smoke,
            Self::Quick => quick,
            Self::Report => report,
        }
    }
}

impl Profile {
    /// Digits for this profile: a few embedded ones for `smoke`; for `quick` MNIST if its files are there and the embedded
    /// ones if not; MNIST for `report`.
    ///
    /// # Errors
    /// [`Error::NotFound`] for `report` without MNIST; [`Error::Data`] if files are damaged.
    pub fn digits(self) -> Result<Dataset> {
        self.digits_config()?.load()
    }

    /// Faces for this profile, as [`digits`](Self::digits), with Frey Face.
    ///
    /// # Errors
    /// As there.
    pub fn faces(self) -> Result<Dataset> {
        self.faces_config()?.load()
    }

    /// Which digits [`digits`](Self::digits) loads; for `report` they need not be here.
    ///
    /// # Errors
    /// Those of [`DatasetConfig::digits`].
    pub fn digits_config(self) -> Result<DatasetConfig> {
        self.data(DatasetKind::SyntheticDigits, DatasetKind::Mnist, DatasetConfig::digits)
    }

    /// Which faces [`faces`](Self::faces) loads; for `report` they need not be here.
    ///
    /// # Errors
    /// Those of [`DatasetConfig::faces`].
    pub fn faces_config(self) -> Result<DatasetConfig> {
        self.data(DatasetKind::SyntheticFaces, DatasetKind::FreyFace, DatasetConfig::faces)
    }

    fn data(
        self,
        embedded: DatasetKind,
        real: DatasetKind,
        any: fn() -> Result<DatasetConfig>,
    ) -> Result<DatasetConfig> {
        let few = Some(Limit { train: 1000, eval: 200 });
        match self {
            Self::Smoke => Ok(DatasetConfig { limit: few, ..DatasetConfig::new(embedded) }),
            Self::Quick => any(),
            Self::Report => Ok(DatasetConfig::new(real)),
        }
    }
}

impl std::fmt::Display for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.pick("smoke", "quick", "report"))
    }
}

/// A notebook parameter: `VAEB_` and the name in the environment (`VAEB_EPOCHS` for `EPOCHS`), or the default.
///
/// # Errors
/// [`Error::Config`] if the variable is set to something that is not a `T`, or not a finite number.
pub fn param<T: FromStr>(name: &str, default: T) -> Result<T> {
    let name = format!("VAEB_{name}");
    let Some(text) = variable(&name)? else { return Ok(default) };
    let refuse = |what: &str| Error::config(&name, format!("is `{text}` in the environment, which is not {what}"));
    if text.parse::<f64>().is_ok_and(|number| !number.is_finite()) {
        return Err(refuse("a finite number"));
    }
    text.parse().map_err(|_| refuse(&format!("a {}", std::any::type_name::<T>())))
}
