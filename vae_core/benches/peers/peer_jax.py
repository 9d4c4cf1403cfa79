"""JAX on the CPU: a jitted step, a jitted epoch (lax.scan), each with its automatic or with hand-written gradients."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import rules
from work import EPSILON, LOG_2PI, STEP, epochs

MODULES = ["jax", "numpy"]


def version():
    return f"JAX {jax.__version__}"


def set_threads(_):
    """By the CPUs and the XLA_FLAGS that the driver sets."""


def bound(work, p, x, eps):
    w1, b1, wq, bq, w2, b2, wx, bx = p
    h1 = jnp.tanh(x @ w1 + b1)
    mu, log_var = jnp.split(h1 @ wq + bq, 2, axis=1)
    z = (mu + jnp.exp(0.5 * log_var) * eps).reshape(-1, work.nz)
    a = jnp.tanh(z @ w2 + b2) @ wx + bx
    if work.bernoulli:
        a = a.reshape(work.l, work.m, work.d)
        log_p = jnp.sum(x * a - jax.nn.softplus(a))
    else:
        mean, s = jnp.split(a.reshape(work.l, work.m, 2 * work.d), 2, axis=2)
        log_p = -0.5 * jnp.sum(LOG_2PI + s + (x - jax.nn.sigmoid(mean)) ** 2 * jnp.exp(-s))
    kl = -0.5 * jnp.sum(1 + log_var - mu**2 - jnp.exp(log_var))
    return log_p / (work.m * work.l) - kl / work.m


def automatic(work, p, x, eps):
    if work.rule != "B":
        return by_vjp(work, p, x, eps)
    return jax.value_and_grad(partial(bound, work))(p, x, eps)


def by_hand(work, p, x, eps):
    if work.rule != "B":
        return rules.gradient(work.rule, p, x, eps, jnp)
    w1, b1, wq, bq, w2, b2, wx, bx = p
    m, l, d = work.m, work.l, work.d
    h1 = jnp.tanh(x @ w1 + b1)
    mu, log_var = jnp.split(h1 @ wq + bq, 2, axis=1)
    sigma = jnp.exp(0.5 * log_var)
    z = (mu + sigma * eps).reshape(-1, work.nz)
    h2 = jnp.tanh(z @ w2 + b2)
    a = h2 @ wx + bx
    if work.bernoulli:
        rows = a.reshape(l, m, d)
        log_p = jnp.sum(x * rows - jax.nn.softplus(rows))
        da = ((x - jax.nn.sigmoid(rows)) / (m * l)).reshape(m * l, d)
    else:
        mean, s = jnp.split(a.reshape(l, m, 2 * d), 2, axis=2)
        mean, precision = jax.nn.sigmoid(mean), jnp.exp(-s)
        square = (x - mean) ** 2 * precision
        log_p = -0.5 * jnp.sum(LOG_2PI + s + square)
        d_mean = (x - mean) * precision * mean * (1 - mean)
        da = (jnp.concatenate([d_mean, 0.5 * (square - 1)], axis=2) / (m * l)).reshape(m * l, 2 * d)
    variance = sigma * sigma
    kl = -0.5 * jnp.sum(1 + log_var - mu**2 - variance)
    dh2 = da @ wx.T * (1 - h2**2)
    dz = (dh2 @ w2.T).reshape(l, m, work.nz)
    d_log_var = 0.5 * ((dz * eps).sum(0) * sigma - (variance - 1) / m)
    dq = jnp.concatenate([dz.sum(0) - mu / m, d_log_var], axis=1)
    dh1 = dq @ wq.T * (1 - h1**2)
    gradient = [x.T @ dh1, dh1.sum(0), h1.T @ dq, dq.sum(0), z.T @ dh2, dh2.sum(0), h2.T @ da, da.sum(0)]
    return log_p / (m * l) - kl / m, gradient


def by_vjp(work, p, x, eps):
    """An estimator by JAX's own differentiation: back from log w with the rule's weights, once through decoder and densities."""
    l, m, nz, stop = work.l, work.m, work.nz, jax.lax.stop_gradient
    whole = rules.log_q_enters(work.rule) == "whole"

    def encode(q):
        w1, b1, wq, bq = q
        mu, log_var = jnp.split(jnp.tanh(x @ w1 + b1) @ wq + bq, 2, axis=1)
        return mu + jnp.exp(0.5 * log_var) * eps, mu, log_var

    def log_q(z, mu, log_var):
        return -0.5 * jnp.sum(log_var + (z - mu) ** 2 * jnp.exp(-log_var), 2)

    def log_weights(d, z, mu, log_var):
        w2, b2, wx, bx = d
        a = (jnp.tanh(z.reshape(l * m, nz) @ w2 + b2) @ wx + bx).reshape(l, m, work.d)
        return jnp.sum(x * a - jax.nn.softplus(a), 2) - 0.5 * jnp.sum(z**2, 2) - log_q(z, mu, log_var)

    (z, mu, log_var), back_encoder = jax.vjp(encode, p[:4])
    log_w, back = jax.vjp(log_weights, p[4:], z, mu, log_var)
    model, path, score = rules.weights(work.rule, log_w, jnp)
    d_decoder, dz, d_mu, d_log_var = back(model / m)
    if not whole:
        dz = dz * path[:, :, None]
        d_mu, d_log_var = jax.vjp(lambda mu, log_var: log_q(stop(z), mu, log_var), mu, log_var)[1](score / m)
    (d_encoder,) = back_encoder((dz, d_mu, d_log_var))
    return rules.bound(work.rule, log_w, jnp), [*d_encoder, *d_decoder]


class Jax:
    """The state is (parameters, sums of squares)."""

    def __init__(self, gradient, work, params, data):
        self.gradient, self.work = gradient, work
        self.data = jnp.asarray(data)
        self.state = [jnp.array(a) for a in params], [jnp.zeros(a.shape, jnp.float32) for a in params]
        self.key, self.count = jax.random.key(6), 0

    def update(self, state, x, eps):
        p, sums = state
        value, g = self.gradient(self.work, p, x, eps)
        sums = [s + g * g for s, g in zip(sums, g)]
        return ([a + STEP * g / (jnp.sqrt(s) + EPSILON) for a, g, s in zip(p, g, sums)], sums), value

    def sampled(self, data, key, state, rows, count):
        """A step on these rows, with fresh noise."""
        work = self.work
        eps = jax.random.normal(jax.random.fold_in(key, count), (work.l, work.m, work.nz))
        return self.update(state, jnp.take(data, rows, axis=0, mode="clip"), eps)


class Step(Jax):
    """One call a step."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.step = jax.jit(self.sampled, donate_argnums=2)
        self.batches = epochs(self.work.n, self.work.m)

    def run(self, steps):
        values = []
        for _ in range(steps):
            rows = next(self.batches).astype(np.int32)
            self.state, value = self.step(self.data, self.key, self.state, rows, self.count)
            self.count += 1
            values.append(value)
        jax.block_until_ready((self.state, values))
        return float(sum(map(float, values)) / steps)

    def check(self, xs, noise):
        step, values = jax.jit(self.update), []
        for x, eps in zip(xs, noise):
            self.state, value = step(self.state, x, eps)
            values.append(float(value))
        return values, self.state[0]


class Epoch(Jax):
    """One call an epoch."""

    whole_epochs = True

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.rng = np.random.default_rng(4)

        def epoch(data, key, state, order, count):
            rows = order.reshape(-1, self.work.m)
            counts = count + jnp.arange(rows.shape[0])
            return jax.lax.scan(lambda state, xs: self.sampled(data, key, state, *xs), state, (rows, counts))

        self.epoch = jax.jit(epoch, donate_argnums=2)

    def run(self, steps):
        each, total = self.work.steps_per_epoch, 0.0
        for _ in range(steps // each):
            order = self.rng.permutation(self.work.n)[: each * self.work.m].astype(np.int32)
            self.state, values = self.epoch(self.data, self.key, self.state, order, self.count)
            self.count += each
            total += float(values.mean())
        jax.block_until_ready(self.state)
        return total / (steps // each)

    def check(self, xs, noise):
        scan = jax.jit(lambda state, xs: jax.lax.scan(lambda state, xs: self.update(state, *xs), state, xs))
        self.state, values = scan(self.state, (xs, noise))
        return list(map(float, values)), self.state[0]


def variants(_options):
    return {
        "jit": partial(Step, automatic),
        "jit, epoch in a scan": partial(Epoch, automatic),
        "jit, hand gradients": partial(Step, by_hand),
        "jit, scan, hand gradients": partial(Epoch, by_hand),
    }
