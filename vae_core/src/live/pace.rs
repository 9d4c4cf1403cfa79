//! How fast, how long still, and when to redraw.

use std::time::{Duration, Instant};

use crate::train::{Event, Trainer};

/// How often a display is replaced.
pub(super) const EVERY: Duration = Duration::from_millis(500);

/// The share of the time that redrawing may take, as one part in so many.
const COST: u32 = 100;

/// Says when to redraw: never before [`EVERY`] has passed, and so seldom that drawing takes at most 1 % of the time.
#[derive(Clone, Debug)]
pub(super) struct Throttle {
    next: Instant,
    /// The quickest drawing so far: others take longer where other programs want the processor.
    cost: Duration,
}

impl Throttle {
    /// The first time is due after [`EVERY`]: what takes less shows nothing.
    pub(super) fn new(now: Instant) -> Self {
        Self { next: now + EVERY, cost: Duration::MAX }
    }

    /// Whether it is time.
    pub(super) fn due(&self, now: Instant) -> bool {
        now >= self.next
    }

    /// A redraw began at `begin` and ended now.
    pub(super) fn drawn(&mut self, begin: Instant, now: Instant) {
        self.cost = self.cost.min(now.saturating_duration_since(begin));
        self.next = begin + EVERY.max(COST * self.cost);
    }
}

/// Speed of a run since it began or was taken up again. Records take long and come at uneven times, so they are timed
/// apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    begin: Instant,
    last: Instant,
    seen: u64,
    samples: u64,
    updates: Duration,
    records: u32,
    recording: Duration,
}

impl Pace {
    /// Begins now, at this many samples.
    pub(crate) fn new(now: Instant, seen: u64) -> Self {
        Self { begin: now, last: now, seen, samples: 0, updates: Duration::ZERO, records: 0, recording: Duration::ZERO }
    }

    /// After an update.
    pub(crate) fn update(&mut self, now: Instant, event: &Event) {
        let (took, samples) = (now.saturating_duration_since(self.last), event.samples.saturating_sub(self.seen));
        (self.last, self.seen) = (now, event.samples);
        if event.record.is_some() {
            self.records += 1;
            self.recording += took;
        } else {
            self.samples += samples;
            self.updates += took;
        }
    }

    /// Time since it began.
    pub(crate) fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.begin)
    }

    /// Samples a second in updates; 0 if it is not known yet.
    pub(crate) fn rate(&self) -> f64 {
        self.samples as f64 / self.updates.as_secs_f64().max(1e-9)
    }

    /// Time left of a training, in words; none if it has no end.
    pub(crate) fn left_of(&self, trainer: &Trainer) -> Option<String> {
        let samples = total(trainer)?.saturating_sub(trainer.samples());
        Some(self.left(samples, trainer.records_left()))
    }

    /// Time left, in words, for so many samples and records.
    fn left(&self, samples: u64, records: u64) -> String {
        let record = self.recording.as_secs_f64() / f64::from(self.records.max(1));
        let seconds = samples as f64 / self.rate().max(1.0) + record * records as f64;
        clock(seconds.ceil() as u64)
    }
}

/// Samples at which a training ends; none if it has no end.
pub(crate) fn total(trainer: &Trainer) -> Option<u64> {
    trainer.ends().then(|| trainer.total_samples())
}

/// "42 s", "3 min 05 s", "2 h 10 min".
fn clock(s: u64) -> String {
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {:02} s", s / 60, s % 60),
        _ => format!("{} h {:02} min", s / 3600, s % 3600 / 60),
    }
}

/// "950", "31 k", "2.4 M".
pub(super) fn count(value: f64) -> String {
    let digits = |v: f64| if v < 10.0 { format!("{v:.1}") } else { format!("{v:.0}") };
    match value {
        v if v < 1e3 => format!("{v:.0}"),
        v if v < 1e6 => format!("{} k", digits(v / 1e3)),
        v => format!("{} M", digits(v / 1e6)),
    }
}

/// "12.3 k samples/s · 41 GFLOP/s", for this many operations a second.
pub(super) fn speed(rate: f64, flop: f64) -> String {
    format!("{} samples/s · {:.1} GFLOP/s", count(rate), flop / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimators::Bound;
    use crate::train::Record;

    #[test]
    fn redraws_are_rare_and_cheap() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut throttle = Throttle::new(start);
        assert!(!throttle.due(at(499)) && throttle.due(at(500)));
        // 20 ms of drawing: not again for two seconds
        throttle.drawn(at(500), at(520));
        assert!(!throttle.due(at(2499)) && throttle.due(at(2500)));
        throttle.drawn(at(2510), at(2512));
        assert!(!throttle.due(at(3009)) && throttle.due(at(3010)));
        // once drawn quickly, the same drawing takes long only because others want the processor
        throttle.drawn(at(3010), at(3030));
        assert!(throttle.due(at(3510)));
        // a minute of training steps of a millisecond: at most two redraws a second
        let mut throttle = Throttle::new(start);
        let mut draws = 0;
        for ms in 0..60_000 {
            if throttle.due(at(ms)) {
                draws += 1;
                throttle.drawn(at(ms), at(ms + 1));
            }
        }
        assert_eq!(draws, 119);
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!([clock(42), clock(185), clock(7800)], ["42 s", "3 min 05 s", "2 h 10 min"]);
        assert_eq!([count(950.0), count(31_400.0), count(2.44e6)], ["950", "31 k", "2.4 M"]);
    }

    #[test]
    fn records_are_timed_apart() {
        let start = Instant::now();
        let bound = Bound::new(-1.0, 0.0);
        let event = |samples, record: bool| Event {
            updates: samples / 100,
            samples,
            total_samples: 1000,
            epoch_end: false,
            minibatch: bound,
            record: record.then_some(Record { updates: 0, samples, train: bound, valid: bound }),
        };
        let mut pace = Pace::new(start, 100);
        assert_eq!((pace.rate(), pace.left(0, 0)), (0.0, "0 s".into()));
        pace.update(start + Duration::from_secs(1), &event(200, false));
        pace.update(start + Duration::from_secs(11), &event(300, true));
        assert_eq!(pace.rate(), 100.0);
        assert_eq!(pace.left(700, 2), "27 s");
    }
}
