//! The live display of one run: its learning curve and a progress bar, replaced at most twice a second.

use std::time::Instant;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::display::Display;
use super::pace::{Pace, Throttle, count, speed, total};
use crate::Error;
use crate::figures::{Curve, CurveAndBar, LearningCurves};
use crate::kernel::{Bundle, Training};
use crate::train::{Event, Outcome, Trainer};

/// Points of the training curve between records are at least this factor apart in samples: on the logarithmic axis, a
/// few hundred in all.
const APART: f64 = 1.02;

/// Follows a run.
#[derive(Clone, Debug)]
pub(crate) struct LiveRun {
    display: Display,
    throttle: Throttle,
    pace: Pace,
    title: String,
    /// Training bounds between the records: (samples, bound).
    between: Vec<(f64, f64)>,
}

impl LiveRun {
    /// Of a trainer that begins or goes on.
    pub(crate) fn new(title: &str, trainer: &Trainer) -> Self {
        let now = Instant::now();
        Self {
            display: Display::new(),
            throttle: Throttle::new(now),
            pace: Pace::new(now, trainer.samples()),
            title: if title.trim().is_empty() { named(trainer) } else { title.trim().to_owned() },
            between: Vec::new(),
        }
    }

    /// After an update: redraws if it is time.
    pub(crate) fn observe(&mut self, event: &Event, trainer: &Trainer) {
        let now = Instant::now();
        self.pace.update(now, event);
        if !self.throttle.due(now) {
            return;
        }
        self.add(event.samples as f64, trainer.running_train_bound().bound);
        self.show(trainer, "", false);
        self.throttle.drawn(now, Instant::now());
    }

    /// The last state, if any was shown: it stays in the notebook.
    pub(crate) fn end(&mut self, outcome: std::result::Result<&Outcome, &Error>, trainer: &Trainer) {
        if self.display.is_shown() {
            let how = match outcome {
                Ok(Outcome::Finished) => "finished".to_owned(),
                Ok(Outcome::EarlyStopped(reason)) => format!("stopped early: {reason}"),
                Ok(Outcome::Stopped(reason)) if reason == Training::INTERRUPTED => {
                    "stopped early: interrupted".to_owned()
                }
                Ok(Outcome::Stopped(reason)) => format!("stopped: {reason}"),
                Err(error) => error.to_string(),
            };
            // The PNG, for viewers that show no SVG, takes a hundred times as long; an Interrupt is to be quick.
            self.show(trainer, &how, !matches!(outcome, Ok(Outcome::Stopped(_))));
        }
    }

    /// A drawing that fails (a bound may be absurd) is left out: training goes on.
    fn show(&mut self, trainer: &Trainer, how: &str, png: bool) {
        let lines = self.lines(trainer, how);
        let mut data = Bundle::from([("text/plain", lines.join("\n"))]);
        let done = trainer.updates() as f64 / trainer.total_updates().max(1) as f64;
        if let Ok(drawing) = CurveAndBar::draw(self.curves(trainer), done, &lines) {
            if let Ok(svg) = drawing.svg() {
                data.insert("image/svg+xml", svg.trim_end().to_owned());
            }
            if png && let Ok(png) = drawing.png() {
                data.insert("image/png", BASE64_STANDARD.encode(png));
            }
        }
        self.display.show(&data);
    }

    fn add(&mut self, samples: f64, bound: f64) {
        // Only the last point may be closer to the one before it than the others are.
        if let [.., before, last] = self.between.as_slice()
            && last.0 < before.0 * APART
        {
            self.between.pop();
        }
        self.between.push((samples, bound));
    }

    fn curves(&self, trainer: &Trainer) -> LearningCurves {
        let history = trainer.history();
        let mut train: Vec<(f64, f64)> = history.samples().into_iter().zip(history.train()).collect();
        train.extend(&self.between);
        train.sort_by(|a, b| a.0.total_cmp(&b.0));
        train.dedup_by_key(|point| point.0);
        let (samples, bounds): (Vec<f64>, Vec<f64>) = train.into_iter().unzip();
        let total = total(trainer).unwrap_or(2 * trainer.samples().max(1)) as f64;
        let first = samples.first().copied().unwrap_or(1.0).min(0.5 * total);
        let panel = LearningCurves::new("live").title(&self.title).held_out_label("validation").x_range(first, total);
        panel.curve(Curve::new("", samples, bounds, Vec::new())).curve(Curve::new(
            "",
            history.samples(),
            Vec::new(),
            history.valid(),
        ))
    }

    /// What stands below the bar.
    fn lines(&self, trainer: &Trainer, how: &str) -> Vec<String> {
        let (samples, rate) = (trainer.samples() as f64, self.pace.rate());
        let done = match total(trainer).map(|total| total as f64) {
            Some(total) => format!("{:.0} % of {} samples", 100.0 * samples / total.max(1.0), count(total)),
            None => format!("{} samples", count(samples)),
        };
        let left = self.pace.left_of(trainer).map_or("until interrupted".into(), |left| format!("{left} left"));
        let left = if how.is_empty() { left } else { how.into() };
        let speed = speed(rate, rate * trainer.flop_per_sample());
        let bound = |v: f64| format!("{v:.2}").replace('-', "−");
        let valid = trainer.history().last();
        let valid = valid.map_or(String::new(), |r| {
            format!(" · validation {} at {} samples", bound(r.valid.bound), count(r.samples as f64))
        });
        vec![
            format!("{done} · {speed} · {left}"),
            format!("bound: train {}{valid}", bound(trainer.running_train_bound().bound)),
        ]
    }
}

fn named(trainer: &Trainer) -> String {
    format!("N_{{z}} = {}, seed {}", trainer.model().latent(), trainer.config().seed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::{Budget, RecordAt, RunConfig};
    use crate::data::dataset::{DatasetConfig, DatasetKind, Limit};

    #[test]
    fn the_display_is_whole_at_every_stage() {
        let limit = Some(Limit { train: 300, eval: 50 });
        let data = DatasetConfig { limit, ..DatasetConfig::new(DatasetKind::SyntheticDigits) };
        let mut config = RunConfig::report(data).latent(2).budget(Budget::Epochs(2));
        (config.model.encoder, config.model.decoder) = (vec![8], vec![8]);
        (config.batch, config.record) = (50, RecordAt::Epochs(1));
        let data = config.data.load().unwrap();
        let mut trainer = Trainer::new(&config, &data).unwrap();
        let mut live = LiveRun::new("N_{z} < 3 & σ²", &trainer);
        for update in 1..=12 {
            let event = trainer.step(&data).unwrap();
            live.add(event.samples as f64, trainer.running_train_bound().bound);
            let lines = live.lines(&trainer, "");
            let drawing = CurveAndBar::draw(live.curves(&trainer), 0.1 * f64::from(update), &lines).unwrap();
            let svg = drawing.svg().unwrap();
            let text = roxmltree::Document::parse(&svg).unwrap();
            assert!(text.descendants().filter(|n| n.is_text()).any(|n| n.text().unwrap().contains("GFLOP/s")), "{svg}");
            assert!(svg.len() < 60_000);
        }
        let lines = live.lines(&trainer, "finished");
        assert!(lines[0].starts_with("100 % of 600 samples") && lines[0].ends_with("finished"), "{lines:?}");
        assert!(lines[1].contains("train −") && lines[1].contains("validation −"), "{lines:?}");
    }

    #[test]
    fn points_between_records_thin_out() {
        let limit = Some(Limit { train: 100, eval: 10 });
        let data = DatasetConfig { limit, ..DatasetConfig::new(DatasetKind::SyntheticDigits) };
        let config = RunConfig::report(data);
        let trainer = Trainer::new(&config, &config.data.load().unwrap()).unwrap();
        let mut live = LiveRun::new("", &trainer);
        for k in 1..100_000 {
            live.add(f64::from(k) * 1000.0, 1.0);
        }
        let points = &live.between;
        assert!(points.len() < 500 && points.is_sorted_by(|a, b| a.0 < b.0), "{}", points.len());
        assert_eq!(points.last().unwrap().0, 99_999_000.0);
    }

    /// `cargo test --release -p vae_core drawing_takes -- --ignored --nocapture`
    #[test]
    #[ignore = "measures"]
    fn drawing_takes_this_long() {
        let config = RunConfig::report(DatasetConfig::new(DatasetKind::SyntheticDigits));
        let trainer = Trainer::new(&config, &config.data.load().unwrap()).unwrap();
        let mut live = LiveRun::new("", &trainer);
        for k in 0..500 {
            live.add(1e3 * 1.021f64.powi(k), -200.0 + 15.0 * f64::from(k).sqrt().sin());
        }
        let begin = Instant::now();
        let mut size = 0;
        for _ in 0..20 {
            let lines = live.lines(&trainer, "");
            size = CurveAndBar::draw(live.curves(&trainer), 0.5, &lines).unwrap().svg().unwrap().len();
        }
        println!("{:?} a redraw, {size} bytes", begin.elapsed() / 20);
        let mut trainer = trainer;
        let event = trainer.step(&config.data.load().unwrap()).unwrap();
        let (mut live, begin) = (LiveRun::new("", &trainer), Instant::now());
        for _ in 0..1_000_000 {
            live.observe(&event, &trainer);
        }
        println!("{:?} an update", begin.elapsed() / 1_000_000);
    }
}
