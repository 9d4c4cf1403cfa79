//! `cargo notebooks`: set up, execute and open the notebooks.
fn main() {}
