"""The check of notebook 9: importance weighting trained in JAX with the notebook's budget, by automatic differentiation.

    python3 vae_core/benches/peers/iwae.py [--k 5] [--doubly] [--samples 60000] [--seed 0]

784-200-200-50-200-200-784, tanh, Adam 0.001, M = 100, Xavier's weights, pixels drawn anew each time (dynamic binarisation) from the first 50,000 training images;
prints the mean log p(x) of the first test images, whose pixels are drawn once, by samples of q(z | x). It wants MNIST under `VAEB_DATA`.
"""

import argparse

import numpy as np
import extensions as ex
import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp
from work import data, mnist, works


def xavier(p, seed):
    """N(0, 2 / (inputs + outputs)) in place of what `extensions.py` times with."""
    rng = np.random.default_rng(seed)
    draw = lambda a: jnp.asarray(rng.normal(0, np.sqrt(2 / sum(a.shape)), a.shape), jnp.float32) if a.ndim == 2 else a
    return jax.tree.map(draw, p)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--k", type=int, default=5)
    parser.add_argument("--doubly", action="store_true")
    parser.add_argument("--samples", type=int, default=60_000)
    parser.add_argument("--tested", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    base = ex.weighted(options.k, options.doubly) if options.k > 1 else ex.gaussian_vae
    binary = lambda p, x, key: base(p, jax.random.bernoulli(jax.random.fold_in(key, 7), x).astype(jnp.float32), key)
    step, state = ex.trainer(binary, xavier(ex.parameters([200, 200], 50), options.seed))
    images = jnp.asarray(data(works()["W1"])[0][:50_000])
    key, rng = jax.random.key(options.seed), np.random.default_rng(options.seed)
    count, each = 0, 50_000 // ex.M
    while count < options.samples // ex.M:
        if count % each == 0:
            order = rng.permutation(50_000).reshape(each, ex.M).astype(np.int32)
        state, _ = step(state, images, order[count % each], key, float(count))
        count += 1
    p = state[0]

    @jax.jit
    def log_px(x, key):
        mu, s = ex.encode(p, x)
        z = mu + jnp.exp(0.5 * s) * jax.random.normal(key, (5000, 50))
        log_w = ex.bernoulli(x, ex.forward(p["decoder"], z)) + jnp.sum(ex.log_normal(z) - ex.log_normal(z, mu, s), -1)
        return logsumexp(log_w) - jnp.log(5000)

    test = mnist("t10k-images-idx3-ubyte")
    if test is None:
        raise SystemExit("no t10k-images-idx3-ubyte under VAEB_DATA or data/")
    test = test[: options.tested]
    test = jnp.asarray(np.random.default_rng(0).random(test.shape) < test, jnp.float32)
    values = [float(log_px(x, jax.random.fold_in(key, i))) for i, x in enumerate(test)]
    print(f"K = {options.k}{', doubly reparameterised' if options.doubly else ''}, {options.samples} samples, seed {options.seed}: log p(x) of {len(values)} test images {np.mean(values):.2f}")


if __name__ == "__main__":
    main()
