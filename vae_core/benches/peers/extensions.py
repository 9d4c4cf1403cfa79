"""W6: the steps of sections 5 to 9 in JAX beside `vae_core`, on one thread, by automatic differentiation and Adam.

    python3 vae_core/benches/peers/extensions.py [--only NAME] [--no-ours]

Runs `cargo bench -p vae_core --bench training -- W6 --json` and times one jitted call a step here: minibatch gathered, noise drawn, gradient, Adam. The names
are those of `extensions` in training.rs; log p(x) is 40 images by 5000 samples of q(z | x), its W4. It wants JAX (`requirements.txt`) and a quiet machine.
"""

import argparse
import json
import os
import statistics
import subprocess
import time

os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
os.environ |= {"JAX_PLATFORMS": "cpu", "NPROC": "1", "PJRT_NPROC": "1"}
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import jax
import jax.numpy as jnp
import numpy as np
from jax.nn import log_sigmoid, sigmoid, softplus
from jax.scipy.special import betaln, logsumexp
from work import LOG_2PI, ROOT, data, works

M, D, N = 100, 784, 60_000
log_normal = lambda z, mu=0.0, log_var=0.0: -0.5 * (LOG_2PI + log_var + (z - mu) ** 2 * jnp.exp(-log_var))


def dense(rng, inputs, outputs):
    return [jnp.asarray(rng.normal(0, 0.01, (inputs, outputs)), jnp.float32), jnp.zeros(outputs, jnp.float32)]


def network(widths, seed):
    rng = np.random.default_rng(seed)
    return [dense(rng, i, o) for i, o in zip(widths, widths[1:])]


def forward(layers, h):
    for w, b in layers[:-1]:
        h = jnp.tanh(h @ w + b)
    return h @ layers[-1][0] + layers[-1][1]


def bernoulli(x, a):
    return jnp.sum(x * a - softplus(a), -1)


def encode(p, x):
    return jnp.split(forward(p["encoder"], x), 2, axis=-1)


def gaussian_vae(p, x, key, decode=None):
    """L^B."""
    mu, s = encode(p, x)
    z = mu + jnp.exp(0.5 * s) * jax.random.normal(key, mu.shape)
    a = forward(p["decoder"], z) if decode is None else decode(z)
    return jnp.mean(bernoulli(x, a) + 0.5 * jnp.sum(1 + s - mu**2 - jnp.exp(s), -1))


def autoencoder(p, x, key):
    return -jnp.mean(jnp.sum((x - sigmoid(forward(p["decoder"], encode(p, x)[0]))) ** 2, -1))


def locally(layers, spread, h, key):
    """a = m + √v ζ of each row."""
    for k, ((w, b), (rw, rb)) in enumerate(zip(layers, spread)):
        h = jnp.tanh(h) if k else h
        v = h**2 @ softplus(rw) ** 2 + softplus(rb) ** 2
        h = h @ w + b + jnp.sqrt(v) * jax.random.normal(jax.random.fold_in(key, k), v.shape)
    return h


def weights_kl(layers, spread):
    kl = lambda mu, rho: jnp.sum(-jnp.log(softplus(rho)) + 0.5 * (mu**2 + softplus(rho) ** 2) - 0.5)
    return sum(jax.tree.leaves(jax.tree.map(kl, layers, spread)))


def bayes(local, names):
    def loss(p, x, key):
        of, q = {name: p[name] for name in ["encoder", "decoder"]}, {}
        for i, name in enumerate(names):
            spread, own = p["spread " + name], jax.random.fold_in(key, 10 + i)
            if local:
                q[name] = lambda h, name=name, spread=spread, own=own: locally(of[name], spread, h, own)
            else:
                leaves, tree = jax.tree.flatten(of[name])
                keys = jax.tree.unflatten(tree, list(jax.random.split(own, len(leaves))))
                drawn = jax.tree.map(lambda m, r, k: m + softplus(r) * jax.random.normal(k, m.shape), of[name], spread, keys)
                q[name] = lambda h, drawn=drawn: forward(drawn, h)
        run = lambda name, h: q[name](h) if name in q else forward(of[name], h)
        mu, s = jnp.split(run("encoder", x), 2, axis=-1)
        z = mu + jnp.exp(0.5 * s) * jax.random.normal(key, mu.shape)
        bound = jnp.mean(bernoulli(x, run("decoder", z)) + 0.5 * jnp.sum(1 + s - mu**2 - jnp.exp(s), -1))
        return bound - sum(weights_kl(of[name], p["spread " + name]) for name in names) / N

    return loss


def pairs(p, x, key):
    mu, s = encode(p, x)
    eps = jax.random.normal(key, mu.shape)
    z = mu + jnp.exp(0.5 * s) * eps
    log_pz = jnp.logaddexp(log_normal(z, 0, jnp.log(0.01)), log_normal(z, 1, jnp.log(0.01))) - jnp.log(2)
    return jnp.mean(bernoulli(x, forward(p["decoder"], z)) + jnp.sum(log_pz - log_normal(z, mu, s), -1))


def log_beta(y, alpha=0.3):
    """Of the logit y."""
    return alpha * (log_sigmoid(y) + log_sigmoid(-y)) - betaln(alpha, alpha)


def logit_normal(p, x, key):
    mu, s = encode(p, x)
    y = mu + jnp.exp(0.5 * s) * jax.random.normal(key, mu.shape)
    return jnp.mean(bernoulli(x, forward(p["decoder"], sigmoid(y))) + jnp.sum(log_beta(y) - log_normal(y, mu, s), -1))


def kumaraswamy(p, x, key):
    a, b = (softplus(h + 0.5413) + 1e-3 for h in encode(p, x))
    t = -jax.random.exponential(key, a.shape) / b
    log_z = jnp.log(-jnp.expm1(t)) / a
    log_rest = jnp.log(-jnp.expm1(jnp.minimum(log_z, -1e-7)))
    y = log_z - log_rest
    log_q = jnp.log(a * b) + a * log_z + log_rest + (b - 1) * t
    return jnp.mean(bernoulli(x, forward(p["decoder"], sigmoid(y))) + jnp.sum(log_beta(y) - log_q, -1))


def masking(p, x, key):
    mu, s = encode(p, x * jax.random.bernoulli(jax.random.fold_in(key, 1), 0.75, x.shape))
    z = mu + jnp.exp(0.5 * s) * jax.random.normal(key, mu.shape)
    return jnp.mean(bernoulli(x, forward(p["decoder"], z)) + 0.5 * jnp.sum(1 + s - mu**2 - jnp.exp(s), -1))


def semi_implicit(inner):
    def loss(p, x, key):
        (w, b), rest = p["encoder"][0], p["encoder"][1:]
        psi = jax.random.normal(jax.random.fold_in(key, 1), (inner + 1, M, 10))
        h = jnp.tanh(x @ w[:D] + psi @ w[D:] + b)
        mu, s = jnp.split(forward(rest, h), 2, axis=-1)
        z = mu[0] + jnp.exp(0.5 * s[0]) * jax.random.normal(key, mu[0].shape)
        log_q = logsumexp(jnp.sum(log_normal(z, mu, s), -1), 0) - jnp.log(inner + 1)
        return jnp.mean(bernoulli(x, forward(p["decoder"], z)) + jnp.sum(log_normal(z), -1) - log_q)

    return loss


def weighted(k, doubly):
    def loss(p, x, key):
        mu, s = encode(p, x)
        z = mu + jnp.exp(0.5 * s) * jax.random.normal(key, (k, *mu.shape))
        stop = jax.lax.stop_gradient if doubly else lambda v: v
        log_w = bernoulli(x, forward(p["decoder"], z)) + jnp.sum(log_normal(z) - log_normal(z, stop(mu), stop(s)), -1)
        if not doubly:
            return jnp.mean(logsumexp(log_w, 0)) - jnp.log(k)
        w = jax.lax.stop_gradient(jax.nn.softmax(log_w, 0))
        # the decoder by w, the encoder's path by w²
        of_decoder = bernoulli(x, forward(p["decoder"], jax.lax.stop_gradient(z)))
        frozen = jax.lax.stop_gradient(p["decoder"])
        of_encoder = bernoulli(x, forward(frozen, z)) + jnp.sum(log_normal(z) - log_normal(z, stop(mu), stop(s)), -1)
        return jnp.mean(jnp.sum(w * of_decoder + w**2 * of_encoder, 0))

    return loss


def parameters(widths, n_z, spread=(), noise=0):
    p = {"encoder": network([D + noise, *widths, 2 * n_z], 0), "decoder": network([n_z, *reversed(widths), D], 1)}
    for name in spread:
        p["spread " + name] = jax.tree.map(lambda a: jnp.full(a.shape, -4.6), p[name])
    return p


WORKS = {
    "plain": (gaussian_vae, parameters([500], 20)),
    "autoencoder": (autoencoder, parameters([500], 20)),
    "local, decoder": (bayes(True, ["decoder"]), parameters([500], 20, ["decoder"])),
    "local, both": (bayes(True, ["encoder", "decoder"]), parameters([500], 20, ["encoder", "decoder"])),
    "one sample, decoder": (bayes(False, ["decoder"]), parameters([500], 20, ["decoder"])),
    "one sample, both": (bayes(False, ["encoder", "decoder"]), parameters([500], 20, ["encoder", "decoder"])),
    "pairs": (pairs, parameters([500], 20)),
    "Beta, logit-normal": (logit_normal, parameters([500], 20)),
    "Beta, Kumaraswamy": (kumaraswamy, parameters([500], 20)),
    "masking": (masking, parameters([500], 20)),
    **{f"semi-implicit {k}": (semi_implicit(k), parameters([500], 20, noise=10)) for k in [0, 5, 20]},
    **{f"importance weighted {k}": (weighted(k, False), parameters([200, 200], 50)) for k in [5, 50]},
    "doubly reparameterised 50": (weighted(50, True), parameters([200, 200], 50)),
    "Monte Carlo EM": (None, parameters([100], 3)),
}


def adam(p, moments, g, count):
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, moments[0], g)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, moments[1], g)
    step = 1e-3 * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
    return jax.tree.map(lambda a, m, v: a + step * m / (jnp.sqrt(v) + 1e-8), p, first, second), (first, second)


def trainer(loss, p):
    """A jitted step of (parameters, moments), as everywhere here one call a step."""

    def step(state, x, rows, key, count):
        p, moments = state
        value, g = jax.value_and_grad(loss)(p, jnp.take(x, rows, axis=0, mode="clip"), jax.random.fold_in(key, count))
        return adam(p, moments, g, count + 1.0), value

    zeros = lambda: jax.tree.map(jnp.zeros_like, p)
    return jax.jit(step, donate_argnums=0), (jax.tree.map(jnp.copy, p), (zeros(), zeros()))


def monte_carlo_em(p):
    """Ten leapfrog steps of each row's chain, five updates of the decoder. The chains of all images are in the state."""
    log_joint = lambda d, z, x: bernoulli(x, forward(d, z)) + jnp.sum(log_normal(z), -1)
    force = lambda d, z, x: jax.grad(lambda z: jnp.sum(log_joint(d, z, x)))(z)

    def step(state, x, rows, key, count):
        d, moments, chains = state
        x, z, size = jnp.take(x, rows, axis=0, mode="clip"), chains[rows], 0.05
        k1, k2 = jax.random.split(jax.random.fold_in(key, count))
        r = jax.random.normal(k1, z.shape)

        def leap(carry, _):
            z, r, f = carry
            r = r + 0.5 * size * f
            z = z + size * r
            f = force(d, z, x)
            return (z, r + 0.5 * size * f, f), None

        (to, r2, _), _ = jax.lax.scan(leap, (z, r, force(d, z, x)), None, length=10)
        energy = lambda z, r: log_joint(d, z, x) - 0.5 * jnp.sum(r**2, -1)
        z = jnp.where((jnp.log(jax.random.uniform(k2, (M,))) < energy(to, r2) - energy(z, r))[:, None], to, z)
        for i in range(5):
            value, g = jax.value_and_grad(lambda d: jnp.mean(log_joint(d, z, x)))(d)
            d, moments = adam(d, moments, g, 5.0 * count + 1.0 + i)
        return (d, moments, chains.at[rows].set(z)), value

    d = jax.tree.map(jnp.copy, p["decoder"])
    zeros = lambda: jax.tree.map(jnp.zeros_like, d)
    return jax.jit(step, donate_argnums=0), (d, (zeros(), zeros()), jnp.zeros((N, 3)))


def milliseconds(name, images, steps, blocks):
    loss, p = WORKS[name]
    step, state = monte_carlo_em(p) if loss is None else trainer(loss, p)
    key, rng, times, count = jax.random.key(0), np.random.default_rng(0), [], 0
    for block in range(blocks + 1):
        start = time.perf_counter()
        for _ in range(steps):
            state, value = step(state, images, rng.integers(0, N, M).astype(np.int32), key, float(count))
            count += 1
        jax.block_until_ready((state, value))
        if block:
            times.append(1e3 * (time.perf_counter() - start) / steps)
    if not np.isfinite(float(value)):
        raise ArithmeticError(f"{name}: the objective is not a number any more")
    return statistics.median(times)


def log_px(images, count=40, samples=5000):
    """Milliseconds of log p(x) of so many images."""
    p = parameters([500], 20)

    @jax.jit
    def estimate(x, key):
        def one(x, key):
            mu, s = encode(p, x)
            z = mu + jnp.exp(0.5 * s) * jax.random.normal(key, (samples, 20))
            return logsumexp(bernoulli(x, forward(p["decoder"], z)) + jnp.sum(log_normal(z) - log_normal(z, mu, s), -1)) - jnp.log(samples)

        return jax.lax.map(lambda a: one(*a), (x, jax.random.split(key, count)))

    times = []
    for k in range(6):
        start = time.perf_counter()
        jax.block_until_ready(estimate(images[:count], jax.random.key(k)))
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times[1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="works with this in their name")
    parser.add_argument("--no-ours", action="store_true")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--blocks", type=int, default=7)
    options = parser.parse_args()
    ours = {}
    if not options.no_ours:
        for work in ["W6", "W4"]:
            done = subprocess.run(["cargo", "bench", "-q", "-p", "vae_core", "--bench", "training", "--", work, "--json"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
            for line in done.stdout.splitlines():
                if line.startswith("{"):
                    ours |= json.loads(line).get("w6", {})
                elif line.startswith("W4 log p(x)") and " 1 thread" in line:
                    ours["log p(x)"] = float(line.split("median")[1].split(",")[0])
    images, source = data(works()["W1"])
    images = jnp.asarray(images)
    print(f"ms a step, median, one thread; JAX {jax.__version__}, {source}\n\n| | vae_core | JAX | of JAX's | of plain |\n|---|---:|---:|---:|---:|")
    for name in [n for n in [*WORKS, "log p(x)"] if options.only in n]:
        theirs = log_px(images) if name == "log p(x)" else milliseconds(name, images, options.steps, options.blocks)
        own = ours.get(name, float("nan"))
        of_plain = "" if name == "log p(x)" else f"{own / ours.get('plain', float('nan')):.2f}"
        print(f"| {name} | {own:.2f} | {theirs:.2f} | {own / theirs:.2f} | {of_plain} |", flush=True)


if __name__ == "__main__":
    main()
