"""The estimators beside L^B: rules from log weights [L, M] to weights on model, path and score, as vae_core's `estimators`.

`xp` is NumPy or JAX's NumPy, so that the float64 reference and the JAX variants share them.
"""

NAMES = ["A", "STL", "IW", "DReG", "score"]


def log_q_enters(rule):
    """Whether the whole derivative of log q is taken (path and score together), or that along the path only."""
    return "whole" if rule in ("A", "IW") else "path"


def weights(rule, log_w, xp):
    """On model, path and score; each [L, M]."""
    l = log_w.shape[0]
    ones, zeros = xp.ones_like(log_w), xp.zeros_like(log_w)
    if rule in ("A", "STL"):
        return ones / l, ones, zeros
    if rule in ("IW", "DReG"):
        w = xp.exp(log_w - log_w.max(0))
        w = w / w.sum(0)
        return w, (w if rule == "DReG" else ones), zeros
    baseline = (log_w.sum(0) - log_w) / (l - 1)
    return ones / l, zeros, (log_w - baseline) / l


def bound(rule, log_w, xp):
    """Its mean over the minibatch."""
    if rule in ("IW", "DReG"):
        top = log_w.max(0)
        return xp.mean(top + xp.log(xp.mean(xp.exp(log_w - top), 0)))
    return xp.mean(log_w)


def gradient(rule, p, x, eps, xp):
    """Bound and gradient of the Bernoulli model; x [M, D], eps [L, M, N_z]."""
    w1, b1, wq, bq, w2, b2, wx, bx = p
    l, m, nz = eps.shape
    h1 = xp.tanh(x @ w1 + b1)
    q = h1 @ wq + bq
    mu, log_var = q[:, :nz], q[:, nz:]
    sigma = xp.exp(log_var / 2)
    z = (mu + sigma * eps).reshape(-1, nz)
    h2 = xp.tanh(z @ w2 + b2)
    a = (h2 @ wx + bx).reshape(l, m, -1)
    decay = xp.exp(-xp.abs(a))
    log_px = xp.sum(x * a - xp.maximum(a, 0) - xp.log1p(decay), 2)
    log_pz = -0.5 * xp.sum(z.reshape(l, m, nz) ** 2, 2)  # log 2π cancels
    log_qz = -0.5 * xp.sum(log_var + eps**2, 2)
    log_w = log_px + log_pz - log_qz
    model, path, score = weights(rule, log_w, xp)
    model, score = model / m, score / m
    probability = xp.where(a >= 0, 1, decay) / (1 + decay)
    da = ((x - probability) * model[:, :, None]).reshape(l * m, -1)
    dh2 = da @ wx.T * (1 - h2**2)
    dz = (dh2 @ w2.T).reshape(l, m, nz) - model[:, :, None] * z.reshape(l, m, nz)
    if log_q_enters(rule) == "path":
        dz = (dz + model[:, :, None] * eps / sigma) * path[:, :, None]
    d_mu, d_log_var = dz.sum(0), 0.5 * sigma * (dz * eps).sum(0)
    if log_q_enters(rule) == "whole":
        d_log_var = d_log_var + 0.5 * model.sum(0)[:, None]
    else:
        d_mu = d_mu + (score[:, :, None] * eps / sigma).sum(0)
        d_log_var = d_log_var + 0.5 * (score[:, :, None] * (eps**2 - 1)).sum(0)
    dq = xp.concatenate([d_mu, d_log_var], axis=1)
    dh1 = dq @ wq.T * (1 - h1**2)
    g = [x.T @ dh1, dh1.sum(0), h1.T @ dq, dq.sum(0), z.T @ dh2, dh2.sum(0), h2.T @ da, da.sum(0)]
    return bound(rule, log_w, xp), g
