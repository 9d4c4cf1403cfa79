//! A table under a notebook cell, in Markdown.

use std::fmt::Write as _;

use crate::kernel::{content_block, print};
use crate::runs::claims::Claim;

/// Rows of text under column titles. It shows itself as Markdown; plain text is the same source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    titles: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With its column titles.
    pub fn new<S: Into<String>>(titles: impl IntoIterator<Item = S>) -> Self {
        Self { titles: titles.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row; missing cells are left empty, superfluous ones make a column without a title.
    #[must_use]
    pub fn row<S: Into<String>>(mut self, cells: impl IntoIterator<Item = S>) -> Self {
        self.rows.push(cells.into_iter().map(Into::into).collect());
        self
    }

    /// Claims of the report and what became of them.
    pub fn of_claims(claims: &[Claim]) -> Self {
        let titles = ["section", "the report says", "its number", "authors' trace", "vae_core", "the claim"];
        let row = |table: Self, c: &Claim| {
            table.row([c.section.as_str(), &c.claim, &c.report, &c.trace, &c.ours, c.verdict.words()])
        };
        claims.iter().fold(Self::new(titles), row)
    }

    /// The Markdown source, columns aligned.
    pub fn to_markdown(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).fold(self.titles.len(), usize::max);
        let cell =
            |row: &[String], k: usize| row.get(k).map_or(String::new(), |c| c.replace('|', "\\|").replace('\n', " "));
        let all: Vec<&Vec<String>> = std::iter::once(&self.titles).chain(&self.rows).collect();
        let width = |k: usize| all.iter().map(|row| cell(row, k).chars().count()).max().unwrap_or(0).max(3);
        let mut text = String::new();
        for (i, row) in all.iter().enumerate() {
            for k in 0..columns {
                let content = cell(row, k);
                let pad = " ".repeat(width(k) - content.chars().count());
                let _ = write!(text, "| {content}{pad} ");
            }
            text.push_str("|\n");
            if i == 0 {
                (0..columns).for_each(|k| text.push_str(&format!("|{}", "-".repeat(width(k) + 2))));
                text.push_str("|\n");
            }
        }
        text
    }

    /// Shows the table under a notebook cell.
    pub fn evcxr_display(&self) {
        let text = self.to_markdown();
        print(&(content_block("text/markdown", &text) + &content_block("text/plain", &text)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_is_aligned_and_escaped() {
        let table = Table::new(["N_z", "bound"]).row(["3", "−135.3"]).row(["a|b"]);
        let expected = "| N_z  | bound  |\n|------|--------|\n| 3    | −135.3 |\n| a\\|b |        |\n";
        assert_eq!(table.to_markdown(), expected);
        assert_eq!(Table::default().to_markdown(), "|\n|\n");
    }
}
