//! Which vector instructions the fast path uses: the best that the machine has, or those that `VAEB_ISA` names.

use std::sync::OnceLock;

use pulp::Arch;

use crate::{Error, Result};

/// The environment variable that forces a path, for tests and comparisons: `portable`, `avx2`, `avx512` or `neon`.
pub const VARIABLE: &str = "VAEB_ISA";

/// A path: its name, and what makes it if the machine has it.
type Path = (&'static str, fn() -> Option<Arch>);

/// The instruction sets with a path of their own, the fastest first. AVX2 comes with FMA.
const PATHS: &[Path] = &[
    #[cfg(target_arch = "x86_64")]
    ("avx512", || pulp::x86::V4::try_new().map(Arch::V4)),
    #[cfg(target_arch = "x86_64")]
    ("avx2", || pulp::x86::V3::try_new().map(Arch::V3)),
    #[cfg(target_arch = "aarch64")]
    ("neon", || pulp::aarch64::Neon::try_new().map(Arch::Neon)),
    ("portable", || Some(Arch::Scalar)),
];

/// The path of this process: read once. A name that this machine cannot follow gives the best path ([`check`] tells).
#[inline]
pub fn arch() -> Arch {
    static CHOSEN: OnceLock<Arch> = OnceLock::new();
    *CHOSEN.get_or_init(|| chosen(std::env::var(VARIABLE).ok().as_deref()).unwrap_or_default())
}

/// The name of the path of this process.
pub fn name() -> &'static str {
    let here = std::mem::discriminant(&arch());
    let found = PATHS.iter().find(|(_, make)| make().is_some_and(|arch| std::mem::discriminant(&arch) == here));
    found.map_or("portable", |path| path.0)
}

/// Whether this path multiplies [bf16](super::bf16) by an instruction of its own (AVX512-BF16, with `avx512`).
pub fn has_bf16() -> bool {
    #[cfg(target_arch = "x86_64")]
    return bf16(arch()).is_some();
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// The vectors for that instruction.
#[cfg(target_arch = "x86_64")]
pub(super) fn bf16(arch: Arch) -> Option<pulp::x86::V4> {
    match arch {
        Arch::V4(simd) if std::is_x86_feature_detected!("avx512bf16") => Some(simd),
        _ => None,
    }
}

/// Whether `VAEB_ISA` names a path that this machine can take.
///
/// # Errors
/// [`Error::Config`] listing those that it can.
pub fn check() -> Result<()> {
    chosen(std::env::var(VARIABLE).ok().as_deref()).map(drop)
}

fn chosen(name: Option<&str>) -> Result<Arch> {
    let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(Arch::new()) };
    let found = PATHS.iter().find(|path| path.0 == name).and_then(|path| path.1());
    found.ok_or_else(|| {
        let here: Vec<&str> = PATHS.iter().filter(|path| path.1().is_some()).map(|path| path.0).collect();
        Error::config(VARIABLE, format!("is {name:?}; this machine has {}", here.join(", ")))
    })
}

/// All paths of this machine, by name, for tests that compare them.
#[cfg(test)]
pub(crate) fn all() -> Vec<(&'static str, Arch)> {
    PATHS.iter().filter_map(|(name, make)| Some((*name, make()?))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_choose_and_wrong_ones_say_what_there_is() {
        assert!(chosen(None).is_ok() && chosen(Some("")).is_ok());
        assert!(matches!(chosen(Some("portable")).unwrap(), Arch::Scalar));
        let message = chosen(Some("mmx")).unwrap_err().to_string();
        assert!(message.contains("VAEB_ISA") && message.contains("portable"), "{message}");
        assert!(all().iter().any(|path| path.0 == "portable"));
    }
}
