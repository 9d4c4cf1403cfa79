//! The user's own images as a data set: how they are divided, what is refused.

use std::path::Path;

use crate::data::dataset::{Dataset, DatasetConfig, Stored};
use crate::data::fingerprint::Fingerprint;
use crate::data::images::Images;
use crate::data::kind::{DatasetKind, OwnData, SplitScheme};
use crate::data::locate::runs_dir;
use crate::data::own_copy;
use crate::data::preprocess::outside_unit;
use crate::data::values::Values;
use crate::{Error, Result};

/// How own images are divided. Each part gets at least one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Split {
    /// In order: first the training images, then so many for validation, at the end so many for testing.
    Sizes {
        /// Validation images.
        valid: usize,
        /// Test images.
        test: usize,
    },
    /// At random: these shares of all images, rounded, are for validation and for testing.
    Shares {
        /// Share of the validation images, in (0, 1).
        valid: f64,
        /// Share of the test images, in (0, 1).
        test: f64,
        /// Seed of the permutation.
        seed: u64,
    },
}

impl Split {
    /// `[train, valid, test]` of `n` images.
    fn sizes(self, n: usize) -> Result<[usize; 3]> {
        let refused = |reason: String| Err(Error::config("split", reason));
        let (valid, test) = match self {
            Self::Sizes { valid, test } => (valid, test),
            Self::Shares { valid, test, .. } => {
                if ![valid, test].iter().all(|share| (0.0..1.0).contains(share)) {
                    return refused(format!("has the shares {valid} and {test}; each must be between 0 and 1"));
                }
                let of = |share: f64| (share * n as f64).round() as usize;
                (of(valid), of(test))
            }
        };
        match valid.checked_add(test).and_then(|held_out| n.checked_sub(held_out)) {
            Some(train) if train > 0 && valid > 0 && test > 0 => Ok([train, valid, test]),
            _ => refused(format!(
                "{self:?} divides {n} images into {valid} for validation, {test} for testing and the rest for training; each \
                 part needs at least one: choose other numbers, or give more images (three at least)"
            )),
        }
    }

    fn scheme(self) -> SplitScheme {
        match self {
            Self::Sizes { .. } => SplitScheme::Standard,
            Self::Shares { seed, .. } => SplitScheme::Random { seed },
        }
    }
}

impl Dataset {
    /// The user's own images as a data set: `values` `[N, height · width]`, an array of `u8`, or of `f32` which stay as
    /// they are; `labels` `[N]` or `None`; `shape` is `(height, width)`. `name` is for captions.
    ///
    /// ```no_run
    /// # use vae_core::prelude::*;
    /// let (values, shape) = Values::from_png_folder("holiday")?;
    /// let data = Dataset::own("holiday", values, None, shape, Split::Shares { valid: 0.1, test: 0.1, seed: 0 })?;
    /// let result = run(&RunConfig::report(data.config))?;
    /// # Ok::<(), vae_core::Error>(())
    /// ```
    ///
    /// A copy is kept in `own/` of the folder of runs ([`runs_dir`]), so that a configuration alone finds the images again,
    /// in another cell or process: N·D bytes, or 4·N·D for `f32`. It is written once, under its SHA-256, whatever the
    /// split, and may be deleted: the next call writes it anew. The name is no part of the SHA-256 nor of a run's hash: the
    /// same images have one name, the last that was given, and a stored run keeps the name that they had when it was made.
    ///
    /// # Errors
    /// [`Error::Shape`] if the images have another width than `height · width`, or if there are not N labels;
    /// [`Error::Data`] naming row and column of a value that is not finite, or if the name is empty, longer than 100
    /// characters or has control characters; [`Error::Config`] if the split leaves a part without images; [`Error::Io`]
    /// if the copy cannot be written.
    pub fn own(
        name: impl Into<String>,
        values: impl Into<Values>,
        labels: Option<Vec<u8>>,
        shape: (usize, usize),
        split: Split,
    ) -> Result<Self> {
        Self::own_in(&runs_dir(), name.into(), Images { pixels: values.into(), labels }, shape, split)
    }

    pub(super) fn own_in(
        folder: &Path,
        name: String,
        images: Images,
        (height, width): (usize, usize),
        split: Split,
    ) -> Result<Self> {
        if name.trim().is_empty() || name.chars().count() > 100 || name.contains(char::is_control) {
            return Err(Error::data("own images", "need a name of one line and at most 100 characters for captions"));
        }
        let images = Images { pixels: images.pixels.in_standard_layout(), ..images };
        let (n, d) = images.pixels.dim();
        if d == 0 || height.checked_mul(width) != Some(d) {
            let expected = format!("[N, height · width], and height {height} · width {width} > 0");
            return Err(Error::Shape { what: "own images", expected, found: format!("[{n}, {d}]") });
        }
        if let Some(labels) = images.labels.as_ref().filter(|labels| labels.len() != n) {
            let (expected, found) = (format!("{n}, one for each image"), labels.len().to_string());
            return Err(Error::Shape { what: "labels of own images", expected, found });
        }
        if let Some((row, column, value)) = images.pixels.find_real(|value| !value.is_finite()) {
            let reason = format!("the value in row {row}, column {column} is {value}; replace it by a finite number");
            return Err(Error::data(name, reason));
        }
        let [train, valid, test] = split.sizes(n)?;
        let (sha256, real) = (Fingerprint::of(&images, (height, width)), images.pixels.is_real());
        let own = OwnData { sha256, height, width, real, train, valid, test };
        own_copy::keep(folder, &own, &name, &images)?;
        let config = DatasetConfig { split: split.scheme(), ..DatasetConfig::new(DatasetKind::Own(own)) };
        Ok(Stored { all: images, valid, test }.divide(config, name))
    }

    /// Refuses parts without images, and values that are not finite: [`own`](Self::own) makes neither, but a limit may, or whoever
    /// changes the fields.
    pub(crate) fn require_usable(&self) -> Result<()> {
        for (part, images) in [("training", &self.train), ("validation", &self.valid), ("test", &self.test)] {
            if images.is_empty() {
                return Err(match self.config.limit {
                    Some(_) => Error::config("data.limit", format!("leaves no {part} images; allow at least one")),
                    None => Error::data(&self.name, format!("has no {part} images; give at least one")),
                });
            }
            if let Some((row, column, value)) = images.pixels.find_real(|value| !value.is_finite()) {
                let place = format!("{part} row {row}, column {column}");
                return Err(Error::data(
                    &self.name,
                    format!("the value in {place} is {value}; replace it by a finite number"),
                ));
            }
        }
        Ok(())
    }

    /// Refuses values outside \[0, 1\] for `what`, the choice in `field` of the configuration.
    pub(crate) fn require_unit_interval(&self, field: &str, what: &str) -> Result<()> {
        for images in [&self.train, &self.valid, &self.test] {
            if let Some(found) = images.pixels.find_real(|value| !(0.0..=1.0).contains(&value)) {
                return Err(outside_unit(field, what, found));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    const SPLIT: Split = Split::Sizes { valid: 1, test: 1 };

    fn own(folder: &Path, values: impl Into<Values>, labels: Option<Vec<u8>>, split: Split) -> Result<Dataset> {
        Dataset::own_in(folder, "mine".into(), Images { pixels: values.into(), labels }, (1, 2), split)
    }

    fn reload(data: &Dataset, folder: &Path) -> Result<Dataset> {
        data.config.load_from(&[folder.join("nothing is here"), folder.to_owned()])
    }

    fn bits(images: &Images) -> (Vec<u32>, Option<Vec<u8>>) {
        let values = match &images.pixels {
            Values::Bytes(values) => values.iter().map(|&v| v.into()).collect(),
            Values::Real(values) => values.iter().map(|v| v.to_bits()).collect(),
        };
        (values, images.labels.clone())
    }

    fn parts(data: &Dataset) -> [(Vec<u32>, Option<Vec<u8>>); 3] {
        [bits(&data.train), bits(&data.valid), bits(&data.test)]
    }

    #[test]
    fn a_summary_has_the_name_and_a_configuration_is_readable() {
        let folder = tempfile::tempdir().unwrap();
        let values = array![[0u8, 1], [2, 3], [4, 5], [6, 7]];
        let data = own(folder.path(), values, Some(vec![0, 1, 2, 3]), SPLIT).unwrap();
        assert_eq!(data.summary(), "mine: 2 train · 1 validation · 1 test, 1×2");
        assert_eq!((data.dim(), data.config.kind.image_shape()), (2, (1, 2)));
        assert_eq!((data.train.labels.clone(), data.test.labels.clone()), (Some(vec![0, 1]), Some(vec![3])));
        assert!(format!("{:?}", data.config).contains(&data.sha256), "{:?}", data.config);
        let json = serde_json::to_string(&data.config).unwrap();
        let size = r#""height":1,"width":2,"real":false,"train":2,"valid":1,"test":1"#;
        let sha256 = &data.sha256;
        assert_eq!(json, format!(r#"{{"kind":{{"own":{{"sha256":"{sha256}",{size}}}}},"split":"standard"}}"#));
        assert_eq!(serde_json::from_str::<DatasetConfig>(&json).unwrap(), data.config);
        for wrong in [&sha256[2..], &sha256.replace(&sha256[..2], "+1"), ""] {
            let json = json.replace(sha256.as_str(), wrong);
            assert!(serde_json::from_str::<DatasetConfig>(&json).unwrap_err().to_string().contains("SHA-256"));
        }
        let random = own(
            folder.path(),
            array![[0u8, 1], [2, 3], [4, 5]],
            None,
            Split::Shares { valid: 0.3, test: 0.3, seed: 9 },
        );
        assert_eq!(random.unwrap().summary(), "mine: 1 train · 1 validation · 1 test, 1×2, random split 9");
    }

    /// Whatever changes a result changes the SHA-256, or the configuration beside it; the name changes neither.
    #[test]
    fn no_two_sets_have_one_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str, values: Values, labels, shape, split| {
            Dataset::own_in(folder.path(), name.into(), Images { pixels: values, labels }, shape, split).unwrap().config
        };
        let bytes = Array2::from_shape_fn((4, 4), |(i, j)| (4 * i + j) as u8);
        let mut other = bytes.clone();
        other[[3, 3]] = 99;
        let thirds = |seed| Split::Shares { valid: 0.25, test: 0.25, seed };
        let all = [
            make("a", bytes.clone().into(), None, (2, 2), SPLIT),
            make("a", other.into(), None, (2, 2), SPLIT),
            make("a", bytes.clone().into(), None, (1, 4), SPLIT),
            make("a", bytes.clone().into(), Some(vec![0; 4]), (2, 2), SPLIT),
            make("a", bytes.clone().into(), Some(vec![0, 0, 0, 1]), (2, 2), SPLIT),
            make("a", bytes.mapv(f32::from).into(), None, (2, 2), SPLIT),
            make("a", bytes.clone().into(), None, (2, 2), Split::Sizes { valid: 2, test: 1 }),
            make("a", bytes.clone().into(), None, (2, 2), thirds(0)),
            make("a", bytes.clone().into(), None, (2, 2), thirds(1)),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b), "{i}");
        }
        assert_eq!(make("b", bytes.into(), None, (2, 2), SPLIT), all[0]);
    }

    #[test]
    fn says_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let four = array![[0u8, 1], [2, 3], [4, 5], [6, 7]];
        let reason = |values: Values, labels, split| own(folder.path(), values, labels, split).unwrap_err().to_string();
        let bytes = |labels, split| reason(four.clone().into(), labels, split);
        assert!(
            bytes(Some(vec![1; 3]), SPLIT).contains("labels of own images: expected 4, one for each image, found 3")
        );
        assert!(reason(array![[0u8], [1], [2]].into(), None, SPLIT).contains("expected [N, height · width]"));
        assert!(reason(Array2::<u8>::zeros((0, 2)).into(), None, SPLIT).contains("divides 0 images"));
        assert!(reason(Array2::<f32>::zeros((3, 0)).into(), None, SPLIT).contains("found [3, 0]"));
        for value in [f32::NAN, f32::INFINITY] {
            let text = reason(array![[0.0, 1.0], [0.5, value], [0.0, 0.0]].into(), None, SPLIT);
            assert!(text.contains(&format!("mine: the value in row 1, column 1 is {value}")), "{text}");
        }
        for split in [
            Split::Sizes { valid: 2, test: 2 },
            Split::Sizes { valid: 0, test: 1 },
            Split::Sizes { valid: usize::MAX, test: 2 },
            Split::Shares { valid: 0.1, test: 0.5, seed: 0 },
        ] {
            assert!(bytes(None, split).contains("each part needs at least one"), "{split:?}");
        }
        for valid in [f64::NAN, -0.1, 1.0] {
            assert!(bytes(None, Split::Shares { valid, test: 0.1, seed: 0 }).contains("between 0 and 1"));
        }
        let long = "x".repeat(101);
        for name in ["", " ", "two\nlines", &long] {
            let images = Images { pixels: four.clone().into(), labels: None };
            let error = Dataset::own_in(folder.path(), name.into(), images, (1, 2), SPLIT).unwrap_err();
            assert!(error.to_string().contains("need a name"), "{error}");
        }
        assert!(!folder.path().join("own").exists(), "a refused set was written");
    }

    #[test]
    fn the_copy_is_written_once_and_healed_when_the_message_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let make =
            || own(folder.path(), array![[0.0f32, 1.0], [2.0, 3.0], [4.0, -0.0]], Some(vec![1, 2, 3]), SPLIT).unwrap();
        let data = make();
        let files = || std::fs::read_dir(folder.path().join("own")).unwrap().map(|entry| entry.unwrap().path());
        let [path] = files().collect::<Vec<_>>().try_into().unwrap();
        assert_eq!(path.file_name().unwrap().to_str().unwrap(), format!("{}.safetensors", &data.sha256[..16]));
        let written = || std::fs::metadata(&path).unwrap().modified().unwrap();
        let before = written();
        std::thread::sleep(std::time::Duration::from_millis(20));
        make();
        assert_eq!((written(), files().count()), (before, 1));

        let good = std::fs::read(&path).unwrap();
        let mut flipped = good.clone();
        *flipped.last_mut().unwrap() ^= 1;
        for bad in [&good[..good.len() - 1], &flipped, b""] {
            std::fs::write(&path, bad).unwrap();
            let error = reload(&data, folder.path()).unwrap_err().to_string();
            assert!(error.contains("call `Dataset::own` again"), "{error}");
            make();
            assert_eq!(parts(&reload(&data, folder.path()).unwrap()), parts(&data));
        }
        std::fs::remove_file(&path).unwrap();
        let error = reload(&data, folder.path()).unwrap_err().to_string();
        assert!(error.contains("call `Dataset::own` again") && error.contains(&path.display().to_string()), "{error}");
        make();
        assert_eq!(std::fs::read(&path).unwrap(), good);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, &good).unwrap(); // the other thing that the message says
        assert_eq!(parts(&reload(&data, folder.path()).unwrap()), parts(&data));
        let mut huge = data.config;
        let DatasetKind::Own(own) = &mut huge.kind else { panic!("not own") };
        own.train = usize::MAX;
        assert!(huge.load_from(&[folder.path().to_owned()]).unwrap_err().to_string().contains("impossible sizes"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn what_is_loaded_is_what_was_given(
            (n, height, width) in (4usize..12, 1usize..4, 1usize..4),
            (real, labelled, columns_first) in any::<(bool, bool, bool)>(),
            split in prop_oneof![
                Just(SPLIT),
                (0.2..0.3f64, 0.2..0.3f64, any::<u64>()).prop_map(|(valid, test, seed)| Split::Shares { valid, test, seed }),
            ],
            limit in prop::option::of(1usize..4),
            seed: u32,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let number = |i: usize, j: usize| (seed.wrapping_mul(2_654_435_761) >> 3).wrapping_add((31 * i + 7 * j) as u32);
            let d = height * width;
            let shape = if columns_first { (d, n) } else { (n, d) };
            let turned = |(i, j)| if columns_first { (j, i) } else { (i, j) };
            let finite = |bits: u32| if f32::from_bits(bits).is_finite() { f32::from_bits(bits) } else { -0.0 };
            let values: Values = if real {
                let made = Array2::from_shape_fn(shape, |at| { let (i, j) = turned(at); finite(number(i, j).wrapping_mul(97)) });
                if columns_first { made.reversed_axes().into() } else { made.into() }
            } else {
                let made = Array2::from_shape_fn(shape, |at| { let (i, j) = turned(at); number(i, j) as u8 });
                if columns_first { made.reversed_axes().into() } else { made.into() }
            };
            let labels = labelled.then(|| (0..n as u8).collect());
            let images = Images { pixels: values, labels };
            let mut data = Dataset::own_in(folder.path(), "x".into(), images.clone(), (height, width), split).unwrap();
            prop_assert_eq!(data.train.len() + data.valid.len() + data.test.len(), n);
            let rows = [&data.train, &data.valid, &data.test].map(|part| bits(part).0).concat();
            let mut found: Vec<&[u32]> = rows.chunks(d).collect();
            let given = bits(&images).0;
            let mut given: Vec<&[u32]> = given.chunks(d).collect();
            if let Split::Shares { .. } = split {
                found.sort_unstable();
                given.sort_unstable();
            }
            prop_assert_eq!(found, given);
            if let Some(limit) = limit {
                data = data.truncated(limit, limit);
            }
            let loaded = reload(&data, folder.path()).unwrap();
            prop_assert_eq!(parts(&loaded), parts(&data));
            prop_assert_eq!((loaded.config, loaded.sha256, loaded.name), (data.config, data.sha256, data.name));
        }
    }
}
