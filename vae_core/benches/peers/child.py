"""Runs one framework's variants in a process of its own, so that its thread settings hold. Called by run.py.

Takes its orders as JSON in the first argument; answers in lines of JSON after `MARK`, which set them apart from what a
framework itself prints.
"""

import importlib
import json
import os
import statistics
import sys
import time

MARK = "\x1epeers "
TOLERANCE = 1e-3
# AdaGrad's first steps are signs, and the derivatives of W5's encoder at the start all but vanish: their rounding shows in the parameters.
PARAMS_OF_W5 = 5e-2


def main():
    orders = json.loads(sys.argv[1])
    if orders["cpus"] and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, orders["cpus"])
    try:
        peer = importlib.import_module(f"peer_{orders['framework']}")
    except ImportError as error:
        say(missing=str(error))
        return
    from work import data, initial, works

    peer.set_threads(orders["threads"])
    say(version=peer.version())
    for work in (works()[name] for name in orders["works"]):
        for name, variant in peer.variants(orders).items():
            about = {"work": work.name, "variant": name}
            try:
                if orders["check"]:
                    say(**about, check=check(work, variant))
                else:
                    x, source = data(work)
                    say(**about, data=source, blocks=measure(variant(work, initial(work), x), orders))
            except Exception as error:  # one variant must not take the others with it
                say(**about, failed=f"{type(error).__name__}: {error}".splitlines()[0])


def measure(model, orders):
    """Milliseconds a step, of each block."""
    steps, blocks = orders["steps"], orders["blocks"]
    if getattr(model, "whole_epochs", False):
        each = model.work.steps_per_epoch
        total = steps * blocks
        steps = -(-steps // each) * each
        blocks = min(blocks, max(3, total // steps))
    model.run(steps)
    times, of_cpu = [], []
    for _ in range(blocks):
        start, cpu_start = time.perf_counter(), time.process_time()
        bound = model.run(steps)
        times.append(1e3 * (time.perf_counter() - start) / steps)
        of_cpu.append(1e3 * (time.process_time() - cpu_start) / steps)
    if bound != bound:
        raise ArithmeticError("the bound is not a number any more")
    return {"median": statistics.median(times), "ms": times, "cpu_ms": of_cpu, "steps": steps, "bound": bound}


def check(work, variant):
    """The largest relative deviation from the float64 reference after three steps: of a bound, and (norm) of a parameter."""
    import numpy as np
    from work import check_inputs, initial, reference

    xs, noise = check_inputs(work)
    right_bounds, right = reference(work, initial(work), xs, noise)
    bounds, params = variant(work, initial(work), np.zeros((work.n, work.d), np.float32)).check(xs, noise)
    of_bounds = np.max(np.abs(np.asarray(bounds, np.float64) / right_bounds - 1))
    of_params = max(np.linalg.norm(np.asarray(a, np.float64) - r) / np.linalg.norm(r) for a, r in zip(params, right))
    # Written so that NaN fails.
    ok = of_bounds <= TOLERANCE and of_params <= (TOLERANCE if work.rule == "B" else PARAMS_OF_W5)
    return {"bound": float(of_bounds), "params": float(of_params), "ok": bool(ok)}


def say(**line):
    print(MARK + json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
