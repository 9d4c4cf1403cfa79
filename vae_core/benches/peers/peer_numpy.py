"""NumPy with the BLAS of its wheel: hand-written gradients, every buffer allocated once."""

import numpy as np
from work import EPSILON, LOG_2PI, STEP, epochs

MODULES = ["numpy"]


def version():
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"NumPy {np.__version__}, {blas['name']} {blas['version']}"


def set_threads(_):
    """By the environment that the driver sets."""


class Hand:
    def __init__(self, work, params, data):
        self.work, self.data = work, data
        self.p = [a.copy() for a in params]
        self.g = [np.empty_like(a) for a in params]
        self.sums = [np.zeros_like(a) for a in params]
        self.tmp = [np.empty_like(a) for a in params]
        m, r, f = work.m, work.m * work.l, np.float32
        self.x, self.eps = np.empty((m, work.d), f), np.empty((work.l, m, work.nz), f)
        self.h1, self.q, self.dq = np.empty((m, work.h), f), np.empty((m, 2 * work.nz), f), np.empty((m, 2 * work.nz), f)
        self.z, self.h2 = np.empty((work.l, m, work.nz), f), np.empty((r, work.h), f)
        self.a = np.empty((r, work.head), f)
        self.t = [np.empty((r, work.d), f) for _ in range(2)]
        self.dh1, self.dh2, self.dz = np.empty((m, work.h), f), np.empty((r, work.h), f), np.empty((r, work.nz), f)
        self.rng = np.random.default_rng(np.random.SFC64(5))
        self.batches = epochs(work.n, m)

    def run(self, steps):
        total = 0.0
        for _ in range(steps):
            np.take(self.data, next(self.batches), axis=0, out=self.x, mode="clip")
            self.rng.standard_normal(dtype=np.float32, out=self.eps)
            total += self.step(self.x, self.eps)
        return total / steps

    def check(self, xs, noise):
        return [self.step(x, eps) for x, eps in zip(xs, noise)], self.p

    def step(self, x, eps):
        work, m, nz = self.work, self.work.m, self.work.nz
        w1, b1, wq, bq, w2, b2, wx, bx = self.p
        g1, gb1, gq, gbq, g2, gb2, gx, gbx = self.g
        h1, h2, q, dq, a, dh1, dh2 = self.h1, self.h2, self.q, self.dq, self.a, self.dh1, self.dh2
        layer(x, w1, b1, h1)
        np.tanh(h1, out=h1)
        layer(h1, wq, bq, q)
        mu, log_var = q[:, :nz], q[:, nz:]
        sigma = np.exp(0.5 * log_var)
        np.multiply(sigma, eps, out=self.z)
        self.z += mu
        z = self.z.reshape(-1, nz)
        layer(z, w2, b2, h2)
        np.tanh(h2, out=h2)
        layer(h2, wx, bx, a)
        log_p = (self.bernoulli if work.bernoulli else self.gaussian)(x, a)

        np.matmul(h2.T, a, out=gx)
        np.sum(a, axis=0, out=gbx)
        np.matmul(a, wx.T, out=dh2)
        through_tanh(h2, dh2)
        np.matmul(z.T, dh2, out=g2)
        np.sum(dh2, axis=0, out=gb2)
        np.matmul(dh2, w2.T, out=self.dz)
        dz = self.dz.reshape(work.l, m, nz)
        variance = sigma * sigma
        kl = -0.5 * float(np.sum(1 + log_var - mu * mu - variance))
        dq[:, :nz] = dz.sum(axis=0) - mu * (1 / m)
        dq[:, nz:] = 0.5 * ((dz * eps).sum(axis=0) * sigma - (variance - 1) * (1 / m))
        np.matmul(h1.T, dq, out=gq)
        np.sum(dq, axis=0, out=gbq)
        np.matmul(dq, wq.T, out=dh1)
        through_tanh(h1, dh1)
        np.matmul(x.T, dh1, out=g1)
        np.sum(dh1, axis=0, out=gb1)
        for p, s, g, t in zip(self.p, self.sums, self.g, self.tmp):
            np.multiply(g, g, out=t)
            s += t
            np.sqrt(s, out=t)
            t += EPSILON
            np.divide(g, t, out=t)
            t *= STEP
            p += t
        return log_p / (m * work.l) - kl / m

    def bernoulli(self, x, a):
        """log p(x | z), summed; `a` becomes its gradient over M L. One exponential serves softplus and sigmoid."""
        work, (t, u) = self.work, self.t
        rows = a.reshape(work.l, work.m, work.d)
        tiled = t.reshape(rows.shape)
        np.multiply(x, rows, out=tiled)
        log_p = float(t.sum())
        np.abs(a, out=t)
        np.negative(t, out=t)
        np.exp(t, out=t)
        np.log1p(t, out=u)
        log_p -= float(u.sum())
        np.maximum(a, 0, out=u)
        log_p -= float(u.sum())
        # sigmoid(|a|) = 1 / (1 + t); sigmoid(a) = 1/2 + sign(a) (sigmoid(|a|) - 1/2)
        t += 1
        np.divide(1, t, out=t)
        t -= 0.5
        np.copysign(t, a, out=t)
        t += 0.5
        np.subtract(x, tiled, out=rows)
        a *= 1 / (work.m * work.l)
        return log_p

    def gaussian(self, x, a):
        """As `bernoulli`, for means through a logistic function and log variances."""
        work, (mean, precision) = self.work, self.t
        scale, d = 1 / (work.m * work.l), work.d
        d_mean, s = a[:, :d], a[:, d:]
        np.negative(d_mean, out=mean)
        np.exp(mean, out=mean)
        mean += 1
        np.divide(1, mean, out=mean)
        np.negative(s, out=precision)
        log_p = 0.5 * (float(precision.sum()) - LOG_2PI * precision.size)
        np.exp(precision, out=precision)
        rows = mean.reshape(work.l, work.m, d)
        np.subtract(1, mean, out=d_mean)
        d_mean *= mean  # the slope of the logistic function
        np.subtract(x, rows, out=rows)  # from here the residual
        precision *= mean
        d_mean *= precision
        precision *= mean
        log_p -= 0.5 * float(precision.sum())
        precision -= 1
        np.multiply(precision, 0.5 * scale, out=s)
        d_mean *= scale
        return log_p


def layer(x, w, b, out):
    np.matmul(x, w, out=out)
    out += b


def through_tanh(h, d):
    """d <- d (1 - h²); `h` is used up."""
    np.multiply(h, h, out=h)
    h *= d
    d -= h


def variants(_options):
    return {"hand gradients": Hand}
