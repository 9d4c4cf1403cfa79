//! The Rust kernel: evcxr, and what stands between it and Jupyter.
//!
//! - [`relay`]: what it adds to evcxr's messages;
//! - [`seed`], [`analyser`], [`packages`]: what makes its start short;
//! - [`launch`], [`engine`], [`guard`]: evcxr's folder, its processes, and their end.
pub mod analyser;
pub mod engine;
pub mod guard;
pub mod launch;
pub mod packages;
pub mod relay;
pub mod seed;

/// The kernel's version.
pub const VERSION: &str = "0.22.0";
/// Its name for Jupyter. Never `rust`: evcxr rewrites a kernel of that name on every start.
pub const NAME: &str = "vae_core";
/// Its name for people.
pub const DISPLAY_NAME: &str = "Rust (vae_core)";
/// evcxr compiles in profile dev with checks on, and ignores the workspace's profiles; without the checks numerical loops are
/// twice as fast.
pub const PROFILE: [(&str, &str); 3] = [
    ("CARGO_PROFILE_DEV_OPT_LEVEL", "3"),
    ("CARGO_PROFILE_DEV_DEBUG_ASSERTIONS", "false"),
    ("CARGO_PROFILE_DEV_OVERFLOW_CHECKS", "false"),
];
