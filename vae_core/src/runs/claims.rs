//! The report's claims and what became of them: each notebook records those that it tests beside its results, one table shows all.

use serde::{Deserialize, Serialize};

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It holds.
    Holds,
    /// It does not.
    Fails,
    /// It holds under the authors' set-up, and goes when what they changed beside it is held fixed.
    Confounded,
    /// The experiment does not tell.
    Open,
}

impl Verdict {
    /// In the table's words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Fails => "does not hold",
            Self::Confounded => "only under its confounder",
            Self::Open => "open",
        }
    }
}

/// A claim of the report and the numbers beside it, as text: "−105.3 ± 0.2 (3)".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Section of the report: "4.4".
    pub section: String,
    /// What it says, in a few words.
    pub claim: String,
    /// Its number in the report; "–" if it gives none.
    pub report: String,
    /// What the authors' traces say.
    pub trace: String,
    /// What ours say, with the number of seeds.
    pub ours: String,
    /// What became of it.
    pub verdict: Verdict,
}

impl Claim {
    /// A claim of a section, without numbers yet.
    pub fn new(section: impl Into<String>, claim: impl Into<String>) -> Self {
        let none = || "–".to_owned();
        let (section, claim) = (section.into(), claim.into());
        Self { section, claim, report: none(), trace: none(), ours: none(), verdict: Verdict::Open }
    }

    /// Its number in the report.
    #[must_use]
    pub fn report(self, number: impl Into<String>) -> Self {
        Self { report: number.into(), ..self }
    }

    /// What the authors' traces say.
    #[must_use]
    pub fn trace(self, number: impl Into<String>) -> Self {
        Self { trace: number.into(), ..self }
    }

    /// What ours say, and what follows.
    #[must_use]
    pub fn ours(self, numbers: impl Into<String>, verdict: Verdict) -> Self {
        Self { ours: numbers.into(), verdict, ..self }
    }
}
