//! A two-dimensional latent space, seen through the decoder (the report's Fig. 2).

use ndarray::Array2;
use serde_json::json;

use super::axis::{Axis, Frame};
use super::figure::{Figure, Heading, headed};
use super::image_grid::mosaic;
use super::theme;
use crate::priors::PriorConfig;
use crate::runs::provenance::Provenance;
use crate::{Error, Result};

/// The latent codes `[n · n, 2]` of an n × n grid through the inverse CDF of N(0, 1), in reading order: the first
/// coordinate grows to the right, the second grows upwards, so the first code is the top left one.
///
/// # Errors
/// If `n` is 0 or above 1000.
pub fn manifold_latents(n: usize) -> Result<Array2<f32>> {
    manifold_latents_of(&PriorConfig::StandardNormal, n)
}

/// The same through the inverse CDF of another prior: `manifold_latents_of(&run.model.prior(), 20)?`.
///
/// # Errors
/// If `n` is 0 or above 1000, or the prior has no quantiles.
pub fn manifold_latents_of(prior: &PriorConfig, n: usize) -> Result<Array2<f32>> {
    let z = prior.grid(n)?;
    Ok(Array2::from_shape_fn((n * n, 2), |(k, axis)| (if axis == 0 { z[k % n] } else { z[n - 1 - k / n] }) as f32))
}

/// The decoded images of [`manifold_latents`], on axes that show the latent coordinates.
#[derive(Clone, Debug)]
pub struct Manifold {
    heading: Heading,
    images: Array2<f32>,
    height: usize,
    width: usize,
    prior: PriorConfig,
}

impl Manifold {
    /// `images [n · n, height · width]` in [0, 1], decoded from [`manifold_latents`]`(n)`; files are named `id`.
    pub fn new(id: impl Into<String>, images: Array2<f32>, (height, width): (usize, usize)) -> Self {
        Self { heading: Heading::new(id), images, height, width, prior: PriorConfig::default() }
    }

    headed!();

    /// The prior whose quantiles the latents are, if they come from [`manifold_latents_of`].
    pub fn prior(mut self, prior: PriorConfig) -> Self {
        self.prior = prior;
        self
    }

    /// Draws the manifold.
    ///
    /// # Errors
    /// If the number of images is no square, their shape does not fit, or a pixel is NaN.
    pub fn figure(self, provenance: Provenance) -> Result<Figure> {
        const LEFT: f64 = 70.0;
        const BELOW: f64 = 39.0;
        const RIGHT: f64 = 22.0;
        let n = self.images.nrows().isqrt();
        if n * n != self.images.nrows() {
            let found = format!("{} images", self.images.nrows());
            return Err(Error::Shape { what: "manifold", expected: "n × n images".into(), found });
        }
        let pixels = mosaic(&self.heading, self.images.view(), (self.height, self.width), n, 0)?;
        let mut scene = self.heading.scene()?;
        // About 560 pixels high, or as wide as a page has room for.
        let zoom = (560 / pixels.nrows()).max(1) as f64;
        let zoom = zoom.min((scene.room() - LEFT - RIGHT) / pixels.ncols() as f64).max(0.25);
        let (width, height) = (zoom * pixels.ncols() as f64, zoom * pixels.nrows() as f64);
        let left = (LEFT + self.heading.widen(&mut scene, LEFT + width + RIGHT)).floor();
        let top = self.heading.draw_title(&mut scene).ceil();
        let z = self.prior.grid(n)?;
        let label = |(i, &z): (usize, &f64)| if labelled(i, n) { theme::fixed(z, 2) } else { String::new() };
        let places = || Axis::places(z.iter().enumerate().map(label));
        let (x_title, y_title) = (("z_{1}", BELOW), ("z_{2}", LEFT - 8.0));
        let frame = Frame { left, top, width, height, x: places(), y: places(), x_title, y_title };
        frame.chart(&mut scene)?;
        scene.image(pixels, [left, top, width, height]);
        scene.height = frame.bottom() + BELOW + 4.0;
        let data = json!({"kind": "manifold", "z": z, "image_height": self.height, "image_width": self.width});
        self.heading.render(scene, provenance, data)
    }
}

/// Whether tile `i` of `n` bears a tick: at most six, symmetrically, the outermost among them, and the middle one
/// where there is one.
pub(super) fn labelled(i: usize, n: usize) -> bool {
    let ticks = n.min(if n.is_multiple_of(2) { 6 } else { 5 });
    (0..ticks).any(|k| {
        let share = if ticks == 1 { 0.0 } else { k as f64 / (ticks - 1) as f64 };
        // Half away from the middle, so that the upper half mirrors the lower one.
        let place = share * (n - 1) as f64;
        let tile = if share < 0.5 { (place - 1e-9).round() } else { place.round() };
        tile as usize == i
    })
}
