"""The work that every framework does: shapes, data, initial weights, and a plain float64 reference of one step.

Parameters are eight arrays, in this order: W_1, b_1 (encoder), W_q, b_q (its heads: mu and log variance, side by side),
W_2, b_2 (decoder), W_x, b_x (its head: logits, or means and log variances side by side).
"""

import functools
import gzip
import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rules

STEP, EPSILON, INIT_STD = 0.01, 1e-6, 0.01
LOG_2PI = math.log(2 * math.pi)
ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Work:
    """One network and one (M, L)."""

    name: str
    d: int
    h: int
    nz: int
    bernoulli: bool
    m: int
    l: int
    n: int
    rule: str = "B"

    @property
    def head(self):
        return self.d if self.bernoulli else 2 * self.d

    @property
    def steps_per_epoch(self):
        return self.n // self.m

    @property
    def shapes(self):
        d, h, nz = self.d, self.h, self.nz
        return [(d, h), (h,), (h, 2 * nz), (2 * nz,), (nz, h), (h,), (h, self.head), (self.head,)]


def works():
    """W1, then W2 for each (M, L), then W5 for each estimator, by name."""
    w1 = Work("W1", 784, 500, 20, True, 100, 1, 60_000)
    w2 = [Work(f"W2 ({m}, {l})", 560, 200, 10, False, m, l, 1_500) for m, l in [(100, 1), (20, 1), (100, 8), (20, 8)]]
    w5 = [Work(f"W5 {rule}", 784, 500, 20, True, 20, 8, 60_000, rule) for rule in rules.NAMES]
    return {work.name: work for work in [w1, *w2, *w5]}


def initial(work, seed=1):
    """Weights from N(0, 0.01²), biases zero: float32."""
    rng = np.random.default_rng(seed)
    draw = lambda shape: rng.normal(0, INIT_STD, shape) if len(shape) == 2 else np.zeros(shape)
    return [draw(shape).astype(np.float32) for shape in work.shapes]


def mnist(name):
    """Grey values k/256 `[n, 784]` float32 of one of MNIST's files, or none where it is not found."""
    folders = [Path(f) for f in [os.environ.get("VAEB_DATA")] if f] + [ROOT / "data"]
    for folder in folders:
        for name_there in [f"{name}.gz", name]:
            for path in [folder / "mnist" / name_there, folder / name_there]:
                if path.is_file():
                    raw = gzip.open(path).read() if name_there.endswith("gz") else path.read_bytes()
                    return np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 784).astype(np.float32) / np.float32(256)
    return None


@functools.cache
def data(work):
    """`[n, d]` float32 in [0, 1], and where it comes from."""
    if work.bernoulli:
        pixels = mnist("train-images-idx3-ubyte")
        if pixels is not None:
            return pixels[: work.n], "MNIST"
        return smooth_images(work.n, 28, 28, 0.19), "synthetic images, 19 % of the pixels not zero"
    return smooth_images(work.n, 28, 20, 1.0), "synthetic faces"


def smooth_images(n, rows, columns, share):
    """Coarse noise, interpolated; the brightest `share` of each image's pixels is kept, scaled to (0, 1], the rest is 0."""
    rng = np.random.default_rng(2)

    def interpolation(size):
        at = np.arange(size)[:, None] * 6 / (size - 1)
        return np.maximum(0, 1 - np.abs(at - np.arange(7)))

    field = interpolation(rows) @ rng.standard_normal((n, 7, 7)) @ interpolation(columns).T
    if share < 1:  # the border of a digit's image is empty
        bump = np.sin(np.linspace(0, np.pi, rows))[:, None] * np.sin(np.linspace(0, np.pi, columns))
        field += 3 * bump
    field = field.reshape(n, -1)
    zeros = round((1 - share) * field.shape[1])
    floor = np.partition(field, zeros, axis=1)[:, zeros, None]
    top = field.max(axis=1, keepdims=True)
    images = np.where(field >= floor, (field - floor) / (top - floor) * 0.99 + 0.01, 0)
    return images.astype(np.float32)


@functools.cache
def check_inputs(work, steps=3):
    """The minibatches `[steps, m, d]` and the noise `[steps, l, m, nz]` of the check."""
    rng = np.random.default_rng(3)
    x = data(work)[0][rng.permutation(work.n)[: steps * work.m]].reshape(steps, work.m, work.d)
    return x, rng.standard_normal((steps, work.l, work.m, work.nz)).astype(np.float32)


def reference(work, params, xs, noise):
    """The bounds and the parameters after the given steps, in float64, written for reading and not for speed."""
    p = [a.astype(np.float64) for a in params]
    sums = [np.zeros_like(a) for a in p]
    bounds = []
    for x, eps in zip(xs.astype(np.float64), noise.astype(np.float64)):
        own = work.rule != "B"
        bound, gradient = rules.gradient(work.rule, p, x, eps, np) if own else reference_gradient(work, p, x, eps)
        bounds.append(bound)
        for a, s, g in zip(p, sums, gradient):
            s += g * g
            a += STEP * g / (np.sqrt(s) + EPSILON)
    return np.array(bounds), p


def reference_gradient(work, p, x, eps):
    """The bound of a minibatch, a mean over its data points, and its gradient."""
    w1, b1, wq, bq, w2, b2, wx, bx = p
    nz, d, scale = work.nz, work.d, 1 / (work.m * work.l)
    h1 = np.tanh(x @ w1 + b1)
    q = h1 @ wq + bq
    mu, log_var = q[:, :nz], q[:, nz:]
    sigma = np.exp(log_var / 2)
    z = (mu + sigma * eps).reshape(-1, nz)
    h2 = np.tanh(z @ w2 + b2)
    a = h2 @ wx + bx
    tiled = np.tile(x, (work.l, 1))
    if work.bernoulli:
        log_p = np.sum(tiled * a - np.logaddexp(0, a))
        da = (tiled - 1 / (1 + np.exp(-a))) * scale
    else:
        mean, s = 1 / (1 + np.exp(-a[:, :d])), a[:, d:]
        square = (tiled - mean) ** 2 * np.exp(-s)
        log_p = -0.5 * np.sum(LOG_2PI + s + square)
        d_mean = (tiled - mean) * np.exp(-s) * mean * (1 - mean)
        da = np.hstack([d_mean, 0.5 * (square - 1)]) * scale
    kl = -0.5 * np.sum(1 + log_var - mu**2 - np.exp(log_var))
    dh2 = da @ wx.T * (1 - h2**2)
    dz = (dh2 @ w2.T).reshape(work.l, work.m, nz)
    d_mu = dz.sum(0) - mu / work.m
    d_log_var = (dz * eps).sum(0) * sigma / 2 - (np.exp(log_var) - 1) / (2 * work.m)
    dq = np.hstack([d_mu, d_log_var])
    dh1 = dq @ wq.T * (1 - h1**2)
    gradient = [x.T @ dh1, dh1.sum(0), h1.T @ dq, dq.sum(0), z.T @ dh2, dh2.sum(0), h2.T @ da, da.sum(0)]
    return log_p * scale - kl / work.m, gradient


def epochs(n, m, seed=4):
    """For ever: the rows of a minibatch, reshuffled every epoch; what is left over at its end is dropped."""
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(n)
        for start in range(0, n - m + 1, m):
            yield order[start : start + m]
