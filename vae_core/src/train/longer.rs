//! What a run with a larger budget would have written down by the end of a smaller one.

use super::history::History;
use super::trainer::Trainer;

/// The history of a run, `updates` long, as the run of a trainer with a larger budget would have it there. When a record
/// is due may depend on the budget, and the smaller one ends with a record that the larger may not take; what a record says
/// does not depend on when others are taken.
///
/// # Errors
/// Why the longer run would not have come by: it takes a record that the history lacks, or would have been stopped.
pub(super) fn as_longer(history: History, updates: u64, longer: &Trainer) -> Result<History, String> {
    let mut taken = history.records.into_iter().peekable();
    let mut records = Vec::new();
    let mut due = longer.record_after(0);
    while due <= updates {
        while taken.next_if(|record| record.updates < due).is_some() {}
        match taken.next_if(|record| record.updates == due) {
            Some(record) => records.push(record),
            None => return Err(format!("the larger budget takes a record at update {due}, where it has none")),
        }
        due = longer.record_after(due);
    }
    let history = History { records };
    if let Some(rule) = &longer.config().early_stop {
        let stop = history.waits(rule).zip(&history.records).find(|(wait, _)| *wait >= rule.patience);
        if let Some((_, record)) = stop.filter(|(_, record)| record.updates < updates) {
            return Err(format!("with the larger budget, early stopping ends the run at update {}", record.updates));
        }
    }
    Ok(history)
}
