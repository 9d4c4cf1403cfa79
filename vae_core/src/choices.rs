//! One declaration for each choice of a configuration. It lists the choices, one a file, and yields the enum that a
//! configuration holds and the way from it to the choice.
//!
//! ```text
//! choices! {
//!     /// p(z).
//!     #[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
//!     PriorConfig: Prior<F> {
//!         #[default] standard_normal::StandardNormal,       a choice without numbers: "standard_normal" in JSON
//!         laplace::Laplace(Laplace),                        one with numbers: {"laplace": {"scale": 1.0}}
//!     }
//! }
//! ```
//!
//! Every choice has a `Default`, so that [`all`](crate::priors::PriorConfig::all) can list them: a test over all choices finds a new one
//! by itself.

use crate::{Error, Result};

/// See the [module](self).
macro_rules! choices {
    (
        $(#[$attribute:meta])*
        $name:ident: $trait:ident $(<$f:ident>)? {
            $($(#[$on:meta])* $file:ident::$choice:ident $(($numbers:ident))?),+ $(,)?
        }
    ) => {
        $(pub use $file::$choice;)+

        $(#[$attribute])*
        pub enum $name {
            $(
                #[doc = concat!("[`", stringify!($choice), "`]")]
                $(#[$on])*
                $choice $(($numbers))?
            ),+
        }

        impl $name {
            /// What was chosen.
            pub fn get $(<$f: crate::numeric::Real>)? (&self) -> &dyn $trait $(<$f>)? {
                match self {
                    $(Self::$choice $((numbers @ $numbers { .. }))? => choices!(@get $choice $(numbers $numbers)?)),+
                }
            }

            /// Its name, for messages.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$choice { .. } => stringify!($choice)),+
                }
            }

            /// Every choice there is, with its default numbers.
            pub fn all() -> Vec<Self> {
                vec![$($choice::default().into()),+]
            }
        }

        $(
            impl From<$choice> for $name {
                fn from(choice: $choice) -> Self {
                    let _ = &choice;
                    Self::$choice $((choices!(@is choice $numbers)))?
                }
            }
        )+
    };
    (@get $choice:ident) => { &$choice };
    (@get $choice:ident $numbers:ident $type:ident) => { $numbers };
    (@is $choice:ident $type:ident) => { $choice };
}
pub(crate) use choices;

/// Checks a number of a configuration that must be positive, and such that it, its square and their inverses are numbers in single precision.
///
/// # Errors
/// [`Error::Config`] naming the field.
pub(crate) fn positive(field: &str, value: f64) -> Result<()> {
    if (1e-18..=1e18).contains(&value) {
        return Ok(());
    }
    Err(Error::config(field, format!("must be a positive number between 1e-18 and 1e18, not {value}")))
}

/// Whether a field has its default value and is not written down, so that configurations from before it was there keep their hashes.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
