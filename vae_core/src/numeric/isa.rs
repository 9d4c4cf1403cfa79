//! Which vector instructions the fast path uses: the best that the machine has, or those that `VAEB_ISA` names.

use std::sync::OnceLock;

use pulp::Arch;
#[cfg(target_arch = "x86_64")]
use pulp::x86::V4;

use crate::environment::variable;
use crate::{Error, Result};

/// The environment variable that forces a path, for tests and comparisons: `portable`, `avx2`, `avx512`, `amx` or `neon`.
pub const VARIABLE: &str = "VAEB_ISA";

/// A path: the vectors of all loops, and what multiplies bf16.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    pub(super) name: &'static str,
    pub(super) arch: Arch,
    pub(super) bf16: Bf16,
}

impl Path {
    /// Whether AMX multiplies bf16.
    pub(super) fn has_tiles(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return matches!(self.bf16, Bf16::Tiles(_));
        #[cfg(not(target_arch = "x86_64"))]
        false
    }
}

/// What multiplies [bf16](super::bf16).
#[derive(Clone, Copy, Debug)]
pub(super) enum Bf16 {
    /// The matrix unit of AMX.
    #[cfg(target_arch = "x86_64")]
    Tiles(V4),
    /// The dot product of AVX512-BF16.
    #[cfg(target_arch = "x86_64")]
    Pairs(V4),
    /// What multiplies `f32`.
    Vectors,
}

/// What makes a path, if the machine has it; the fastest first. AVX2 comes with FMA; AMX differs from AVX-512 in bf16 only.
const PATHS: &[fn() -> Option<Path>] = &[
    #[cfg(target_arch = "x86_64")]
    || {
        let found = has_bf16() && amx_permitted();
        let simd = V4::try_new().filter(|_| found)?;
        Some(Path { name: "amx", arch: Arch::V4(simd), bf16: Bf16::Tiles(simd) })
    },
    #[cfg(target_arch = "x86_64")]
    || {
        let simd = V4::try_new()?;
        let bf16 = if has_bf16() { Bf16::Pairs(simd) } else { Bf16::Vectors };
        Some(Path { name: "avx512", arch: Arch::V4(simd), bf16 })
    },
    #[cfg(target_arch = "x86_64")]
    || pulp::x86::V3::try_new().map(|simd| Path { name: "avx2", arch: Arch::V3(simd), bf16: Bf16::Vectors }),
    #[cfg(target_arch = "aarch64")]
    || pulp::aarch64::Neon::try_new().map(|simd| Path { name: "neon", arch: Arch::Neon(simd), bf16: Bf16::Vectors }),
    || Some(PORTABLE),
];

const PORTABLE: Path = Path { name: "portable", arch: Arch::Scalar, bf16: Bf16::Vectors };

#[cfg(target_arch = "x86_64")]
fn has_bf16() -> bool {
    std::is_x86_feature_detected!("avx512bf16")
}

/// The path of this process: found once. A name that this machine cannot follow gives the best path ([`check`] tells).
#[inline]
pub(super) fn path() -> Path {
    static CHOSEN: OnceLock<Path> = OnceLock::new();
    *CHOSEN.get_or_init(|| chosen(std::env::var(VARIABLE).ok().as_deref()).unwrap_or_else(|_| best()))
}

/// The vectors of this process.
#[inline]
pub fn arch() -> Arch {
    path().arch
}

/// The name of the path of this process.
pub fn name() -> &'static str {
    path().name
}

/// Whether `VAEB_ISA` names a path that this machine can take.
///
/// # Errors
/// [`Error::Config`] listing those that it can.
pub fn check() -> Result<()> {
    chosen(variable(VARIABLE)?.as_deref()).map(drop)
}

fn best() -> Path {
    all().next().unwrap_or(PORTABLE)
}

fn chosen(name: Option<&str>) -> Result<Path> {
    let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(best()) };
    all().find(|path| path.name == name).ok_or_else(|| {
        let here: Vec<&str> = all().map(|path| path.name).collect();
        Error::config(VARIABLE, format!("is {name:?}; this machine has {}", here.join(", ")))
    })
}

/// All paths of this machine.
pub(super) fn all() -> impl Iterator<Item = Path> {
    PATHS.iter().filter_map(|path| path())
}

/// Whether the machine has AMX for bf16 and the system lets this process use it: Linux wants to be asked, once.
#[cfg(target_arch = "x86_64")]
pub(super) fn amx_permitted() -> bool {
    static PERMITTED: OnceLock<bool> = OnceLock::new();
    *PERMITTED.get_or_init(|| {
        // leaf 7 of CPUID: AMX-BF16 and AMX-TILE
        let features = std::arch::x86_64::__cpuid_count(7, 0).edx;
        features & (1 << 22) != 0 && features & (1 << 24) != 0 && ask_for_amx()
    })
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn ask_for_amx() -> bool {
    const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;
    const XFEATURE_XTILE_DATA: u64 = 18;
    // SAFETY: reads and writes no memory of this process; a kernel that does not know the request answers with an error.
    unsafe { nix::libc::syscall(nix::libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILE_DATA) == 0 }
}

#[cfg(all(target_arch = "x86_64", not(target_os = "linux")))]
fn ask_for_amx() -> bool {
    false
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_choose_and_wrong_ones_say_what_there_is() {
        assert!(chosen(None).is_ok() && chosen(Some("")).is_ok());
        assert!(matches!(chosen(Some("portable")).unwrap().arch, Arch::Scalar));
        let message = chosen(Some("mmx")).unwrap_err().to_string();
        assert!(message.contains("VAEB_ISA") && message.contains("portable"), "{message}");
        for path in all() {
            assert_eq!(chosen(Some(path.name)).unwrap().name, path.name);
        }
    }
}
