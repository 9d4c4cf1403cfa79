"""PyTorch on the CPU: eager autograd in float32 and bf16, hand-written gradients, and (by choice) torch.compile."""

from functools import partial

import torch
import torch.nn.functional as F
from work import EPSILON, LOG_2PI, STEP

MODULES = ["torch", "numpy"]


def version():
    return f"PyTorch {torch.__version__}"


def set_threads(n):
    torch.set_num_threads(n)
    torch.set_num_interop_threads(1)


def negative_bound(work, p, x, eps):
    w1, b1, wq, bq, w2, b2, wx, bx = p
    h1 = torch.tanh(torch.addmm(b1, x, w1))
    mu, log_var = torch.addmm(bq, h1, wq).chunk(2, dim=1)
    z = (mu + torch.exp(0.5 * log_var) * eps).view(-1, work.nz)
    a = torch.addmm(bx, torch.tanh(torch.addmm(b2, z, w2)), wx)
    if work.l > 1:
        x = x.repeat(work.l, 1)
    if work.bernoulli:
        log_p = -F.binary_cross_entropy_with_logits(a, x, reduction="sum")
    else:
        mean, s = a.chunk(2, dim=1)
        log_p = -0.5 * (LOG_2PI + s + (x - torch.sigmoid(mean)) ** 2 * torch.exp(-s)).sum()
    kl = -0.5 * (1 + log_var - mu**2 - log_var.exp()).sum()
    return kl / work.m - log_p / (work.m * work.l)


def gradients_by_hand(work, p, x, eps):
    """The bound and the gradient of its negative."""
    w1, b1, wq, bq, w2, b2, wx, bx = p
    m, l, scale = work.m, work.l, 1 / (work.m * work.l)
    h1 = torch.addmm(b1, x, w1).tanh_()
    mu, log_var = torch.addmm(bq, h1, wq).chunk(2, dim=1)
    sigma = torch.exp(0.5 * log_var)
    z = (mu + sigma * eps).view(-1, work.nz)
    h2 = torch.addmm(b2, z, w2).tanh_()
    a = torch.addmm(bx, h2, wx)
    tiled = x.repeat(l, 1) if l > 1 else x
    if work.bernoulli:
        log_p = -F.binary_cross_entropy_with_logits(a, tiled, reduction="sum")
        da = a.sigmoid_().sub_(tiled).mul_(scale)
    else:
        mean, s = a.chunk(2, dim=1)
        mean, precision = torch.sigmoid(mean), torch.exp(-s)
        residual = mean - tiled
        weighted = residual * precision
        square = residual.mul_(weighted)
        log_p = -0.5 * ((s + square).sum() + LOG_2PI * square.numel())
        da = torch.empty_like(a)
        torch.mul(weighted.mul_(scale), torch.addcmul(mean, mean, mean, value=-1), out=da[:, : work.d])
        torch.mul(square.sub_(1), -0.5 * scale, out=da[:, work.d :])
    variance = sigma * sigma
    kl = -0.5 * (1 + log_var - mu * mu - variance).sum()
    dh2 = torch.ops.aten.tanh_backward(torch.mm(da, wx.t()), h2)
    dz = torch.mm(dh2, w2.t()).view(l, m, work.nz)
    d_log_var = 0.5 * ((dz * eps).sum(0) * sigma + (variance - 1) / m)
    dq = torch.cat([dz.sum(0) + mu / m, d_log_var], dim=1)
    dh1 = torch.ops.aten.tanh_backward(torch.mm(dq, wq.t()), h1)
    gradient = [x.t() @ dh1, dh1.sum(0), h1.t() @ dq, dq.sum(0), z.t() @ dh2, dh2.sum(0), h2.t() @ da, da.sum(0)]
    return log_p * scale - kl / m, gradient


def in_bf16(objective, *inputs):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return objective(*inputs)


class Torch:
    """Autograd; `compiled` sends the objective through torch.compile, `bf16` runs its products in bf16."""

    def __init__(self, compiled, bf16, work, params, data):
        self.work, self.data = work, torch.from_numpy(data)
        self.p = [torch.from_numpy(a.copy()).requires_grad_() for a in params]
        self.optimiser = adagrad(self.p)
        self.objective = partial(negative_bound, work)
        if bf16:
            self.objective = partial(in_bf16, self.objective)
        if compiled:
            self.objective = torch.compile(self.objective)
        self.generator = torch.Generator().manual_seed(7)
        self.order, self.at = None, work.n

    def sample(self):
        work = self.work
        if self.at + work.m > work.n:
            self.order, self.at = torch.randperm(work.n, generator=self.generator), 0
        rows = self.order[self.at : self.at + work.m]
        self.at += work.m
        eps = torch.randn(work.l, work.m, work.nz, generator=self.generator)
        return self.data.index_select(0, rows), eps

    def run(self, steps):
        total = 0.0
        for _ in range(steps):
            total += self.step(*self.sample())
        return total / steps

    def check(self, xs, noise):
        values = [self.step(torch.from_numpy(x), torch.from_numpy(eps)) for x, eps in zip(xs, noise)]
        return values, [p.detach().numpy() for p in self.p]

    def step(self, x, eps):
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.objective(self.p, x, eps)
        loss.backward()
        self.optimiser.step()
        return -loss.item()


class Hand(Torch):
    """Hand-written gradients, then the same optimiser."""

    def step(self, x, eps):
        with torch.no_grad():
            value, gradient = gradients_by_hand(self.work, self.p, x, eps)
        for p, g in zip(self.p, gradient):
            p.grad = g
        self.optimiser.step()
        return value.item()


def adagrad(params):
    """The fused form is the fastest; older versions do not have it on the CPU."""
    try:
        return torch.optim.Adagrad(params, lr=STEP, eps=EPSILON, fused=True)
    except (RuntimeError, TypeError):
        return torch.optim.Adagrad(params, lr=STEP, eps=EPSILON)


def variants(options):
    named = {"eager autograd": partial(Torch, False, False), "hand gradients": partial(Hand, False, False)}
    if options.get("torch_compile"):
        named["torch.compile"] = partial(Torch, True, False)
    if not options["check"]:  # which asks for more digits
        named["bf16, autocast"] = partial(Torch, False, True)
        if options.get("torch_compile"):
            named["bf16, torch.compile"] = partial(Torch, True, True)
    return named
