//! The README's table of claims is that of the committed results.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;

use vae_core::figures::Table;
use vae_core::runs::{Claim, Verdict, claims};

/// The text with what stands between its marks replaced by the table.
fn with_claims(text: &str, claims: &[Claim]) -> String {
    let marks = ["<!-- claims -->\n", "<!-- /claims -->"];
    let (before, rest) = text.split_once(marks[0]).expect("a place for the claims");
    let (_, after) = rest.split_once(marks[1]).expect("its end");
    format!("{before}{}{}{}{after}", marks[0], Table::of_claims(claims).to_markdown(), marks[1])
}

#[test]
fn the_readme_shows_what_the_notebooks_found() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let text = fs::read_to_string(&path).unwrap();
    let current = with_claims(&text, &claims().unwrap());
    if std::env::var_os("VAEB_WRITE_CLAIMS").is_some() {
        return fs::write(&path, current).unwrap();
    }
    let advice = "`VAEB_WRITE_CLAIMS=1 cargo test -p vae_core --test claims` writes it anew";
    assert!(text == current, "the README's claims are not those of notebooks/results: {advice}");
}

#[test]
fn a_claim_is_a_row() {
    let claim = Claim::new("4.4", "L^B | better").trace("7 nats").ours("0.1 ± 0.2 (3)", Verdict::Confounded);
    let text = with_claims("a\n<!-- claims -->\nold\n<!-- /claims -->\nb\n", &[claim]);
    assert!(text.starts_with("a\n<!-- claims -->\n| section") && text.ends_with("<!-- /claims -->\nb\n"), "{text}");
    assert!(text.contains("L^B \\| better") && text.contains("only under its confounder") && !text.contains("old"));
}
