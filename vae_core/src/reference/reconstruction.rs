//! Fig. 7: squared error of reconstructions, summed over pixels, of the report's authors (their committed numbers).

/// Sizes of the code.
pub const SIZES: [usize; 3] = [2, 10, 20];

/// Autoencoder; VAE decoded at the mean of q(z | x); VAE as the average of 20 decoded samples. In the order of [`SIZES`].
pub struct Errors {
    /// The autoencoder's.
    pub autoencoder: [f64; 3],
    /// The VAE's, of the decoded mean.
    pub vae: [f64; 3],
    /// The VAE's, of the average of 20 decoded samples.
    pub vae_samples: [f64; 3],
}

/// MNIST, of which the report's figure is.
pub const MNIST: Errors = Errors {
    autoencoder: [37.1404, 19.0405, 14.7737],
    vae: [33.0773, 12.7276, 8.2683],
    vae_samples: [33.1307, 13.1026, 8.9561],
};

/// Frey Face, which the report leaves out.
pub const FREY: Errors = Errors {
    autoencoder: [6.8131, 3.6109, 3.2750],
    vae: [6.8485, 3.9701, 3.7325],
    vae_samples: [6.8710, 3.9512, 3.7271],
};

impl Errors {
    /// Of a code of this size: autoencoder, VAE by the mean, VAE by samples; none where they have not published it.
    pub fn at(&self, size: usize) -> Option<[f64; 3]> {
        let k = SIZES.iter().position(|&s| s == size)?;
        Some([self.autoencoder[k], self.vae[k], self.vae_samples[k]])
    }
}
