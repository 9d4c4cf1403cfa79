//! `cargo notebooks`: set up, execute and open the notebooks.
#[allow(dead_code)]
mod fetch;
fn main() {}
