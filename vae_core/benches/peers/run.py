#!/usr/bin/env python3
"""The same training step in NumPy, JAX, PyTorch and this crate, on this machine: one table, ratios to this crate.

Installs what it needs into target/peers/venv (PyTorch is a download of up to 3 GB). See README.md beside this file.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
OUT = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target") / "peers"
FRAMEWORKS = {"numpy": "NumPy", "jax": "JAX", "torch": "PyTorch"}
W5 = [f"W5 {rule}" for rule in ["A", "STL", "IW", "DReG", "score"]]
W2 = [f"W2 ({m}, {l})" for m, l in [(100, 1), (20, 1), (100, 8), (20, 8)]]
MARK = "\x1epeers "  # as in child.py


def main():
    options = arguments()
    if options.cpus and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, options.cpus)
    for name in ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"]:
        if os.environ.pop(name, None):
            note(f"{name} is set and would slow NumPy down: ignored here")
    python = options.python or environment(options)
    results = Results(options)
    if options.check:
        results.children(python, 1, ["W1", *W2, *W5])
        results.print_check()
        return 0 if results.checked() else 1
    try:
        for _ in range(options.rounds):
            if not options.no_ours:
                results.ours()
            for threads in options.threads:
                works = ["W1"] + (W2 + W5 if threads == 1 else [])
                results.children(python, threads, [w for w in works if w.split()[0].lower() in options.works])
    except KeyboardInterrupt:
        note("interrupted: what has been measured so far")
    results.print_table()
    results.write()
    return 0


def arguments():
    names = lambda known: lambda text: [item for item in text.split(",") if item in known or fail(item, known)]
    numbers = lambda text: [int(item) for item in text.split(",")]

    def fail(item, known):
        raise argparse.ArgumentTypeError(f"{item!r} is not one of {', '.join(known)}")

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--check", action="store_true", help="do not time: check that all variants compute the same thing")
    add("--frameworks", type=names(FRAMEWORKS), default=list(FRAMEWORKS), metavar="A,B", help="of numpy,jax,torch")
    add("--works", type=names(["w1", "w2", "w5"]), default=["w1", "w2"], metavar="A,B", help="of w1,w2,w5 (w2 and w5 for 1 thread)")
    add("--threads", type=numbers, default=[1, 2], metavar="N,N", help="numbers of threads (default 1,2)")
    add("--steps", type=int, default=40, help="steps in a block (default 40)")
    add("--blocks", type=int, default=15, help="blocks, of which the median is taken (default 15)")
    add("--rounds", type=int, default=1, help="how often everything is run in turn; blocks are pooled (default 1)")
    add("--cpus", type=numbers, metavar="N,N", help="CPUs to run on, Linux only (default: all that are allowed)")
    add("--torch-compile", action="store_true", help="also time torch.compile (needs a C++ compiler)")
    add("--no-ours", action="store_true", help="leave this crate out")
    add("--ours-json", type=Path, metavar="FILE", help="this crate's figures from a file instead of from cargo bench")
    add("--no-install", action="store_true", help="use the virtual environment as it is")
    add("--python", metavar="EXE", help="use this Python and what it has installed, not the virtual environment")
    add("--json", type=Path, default=OUT / "results.json", metavar="FILE", help="where to write (default %(default)s)")
    options = parser.parse_args()
    if min([*options.threads, options.steps, options.blocks, options.rounds]) < 1:
        parser.error("threads, steps, blocks and rounds must be at least 1")
    return options


def environment(options):
    """The virtual environment's Python; each framework is installed by itself, so that one's failure leaves the rest."""
    python = OUT / "venv" / "bin" / "python"
    if not python.exists():
        note(f"making {OUT / 'venv'}")
        subprocess.run([sys.executable, "-m", "venv", OUT / "venv"], check=True)
    for name in [] if options.no_install else dict.fromkeys(["numpy", *options.frameworks]):
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if subprocess.run([*pip, "--constraint", HERE / "requirements.txt", name]).returncode:
            note(f"{name} could not be installed; going on without it")
    return str(python)


def settings(threads):
    """The environment of a child: every pool of threads that the frameworks have."""
    env = dict(os.environ, JAX_PLATFORMS="cpu")
    for name in ["OMP", "MKL", "OPENBLAS", "VECLIB_MAXIMUM", "NUMEXPR"]:
        env[f"{name}_NUM_THREADS"] = str(threads)
    env["NPROC"] = env["PJRT_NPROC"] = str(threads)
    if threads == 1:
        env["XLA_FLAGS"] = f"{env.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    return env


class Results:
    def __init__(self, options):
        self.options, self.lines, self.versions, self.missing, self.own = options, [], {}, {}, []

    def ours(self):
        """The last line of JSON that `cargo bench` prints, or a note why there is none."""
        if self.options.ours_json:
            text = self.options.ours_json.read_text()
        else:
            note("this crate: cargo bench")
            command = ["cargo", "bench", "-p", "vae_core", "--bench", "training", "--", "--json"]
            command += [work.upper() for work in self.options.works if len(self.options.works) == 1]
            try:
                done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
            except OSError as error:
                self.missing["vae_core"] = f"cargo could not be run: {error}"
                return
            text = done.stdout
        for line in reversed(text.splitlines()):
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if isinstance(found, dict):
                self.own.append(found)
                return
        self.missing["vae_core"] = "the benchmark printed no line of JSON"

    def children(self, python, threads, works):
        allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        cpus = (self.options.cpus or allowed)[:threads]
        if allowed and len(cpus) < threads:
            note(f"WARNING: {threads} threads on {len(cpus)} CPU: these figures say nothing")
        for framework in self.options.frameworks if works else []:
            # only JAX has the estimators of W5
            possible = [work for work in works if framework == "jax" or work not in W5]
            if not possible:
                continue
            note(f"{FRAMEWORKS[framework]}, {threads} thread{'s' * (threads > 1)}")
            orders = dict(framework=framework, threads=threads, works=possible, cpus=cpus, check=self.options.check)
            orders |= {key: getattr(self.options, key) for key in ["steps", "blocks", "torch_compile"]}
            command = [python, str(HERE / "child.py"), json.dumps(orders)]
            try:
                child = subprocess.Popen(command, env=settings(threads), stdout=subprocess.PIPE, text=True, cwd=HERE)
            except OSError as error:
                self.missing[framework] = str(error)
                continue
            try:
                for line in child.stdout:
                    if line.startswith(MARK):
                        self.take(framework, threads, json.loads(line[len(MARK) :]))
                child.wait()
            finally:
                child.kill()
            if child.returncode:
                self.missing[framework] = f"ended with code {child.returncode} (its message is above)"

    def take(self, framework, threads, line):
        if "version" in line:
            self.versions[framework] = line["version"]
        elif "missing" in line:
            self.missing[framework] = line["missing"]
        elif "failed" in line:
            self.missing[f"{framework}, {line['variant']}, {line['work']}"] = line["failed"]
        else:
            self.lines.append({"framework": framework, "threads": threads, **line})
            note(f"  {line['work']}, {line['variant']}: {progress(line)}")

    def cells(self):
        """Rows by name, each with the median of its blocks by (work, threads)."""
        pooled = {}
        for own in self.own:
            for name, work, threads, ms in own_figures(own):
                pooled.setdefault(name, {}).setdefault((work, threads), []).append(ms)
        for line in self.lines:
            row = pooled.setdefault(f"{FRAMEWORKS[line['framework']]}: {line['variant']}", {})
            row.setdefault((line["work"], line["threads"]), []).extend(line["blocks"]["ms"])
        return {name: {key: statistics.median(ms) for key, ms in row.items()} for name, row in pooled.items()}

    def print_table(self):
        rows = self.cells()
        columns = [("W1", n) for n in self.options.threads] + [(work, 1) for work in W2 + W5]
        columns = [column for column in columns if any(column in row for row in rows.values())]
        heads = [f"{work}, {n} thr." for work, n in columns]
        print(f"\n{cpu()}: ms per training step, median; in brackets: times that of vae_core\n")
        print("| | " + " | ".join(heads) + " |\n|---" + "|---:" * len(heads) + "|")
        ours = rows.get("vae_core", {})
        for name, row in rows.items():
            print(f"| {name} | " + " | ".join(cell(row.get(c), ours.get(c)) for c in columns) + " |")
        print("\n" + "; ".join(self.versions.values()))
        for source in sorted({line["data"] for line in self.lines}):
            print(f"Data of the peers: {source}")
        self.print_missing()

    def print_missing(self):
        for name, why in self.missing.items():
            print(f"Missing: {FRAMEWORKS.get(name, name)} ({why})")

    def checked(self):
        return bool(self.lines) and all(line["check"]["ok"] for line in self.lines) and not any(
            "," in name for name in self.missing
        )

    def print_check(self):
        print("\nLargest relative deviation from the float64 reference after 3 steps (allowed: 0.001; 0.05 for the parameters of W5)\n")
        print("| | work | bound | parameters | |\n|---|---|---:|---:|---|")
        for line in self.lines:
            c, name = line["check"], f"{FRAMEWORKS[line['framework']]}: {line['variant']}"
            print(f"| {name} | {line['work']} | {c['bound']:.1e} | {c['params']:.1e} | {'ok' if c['ok'] else 'DIFFERS'} |")
        self.print_missing()

    def write(self):
        table = [
            {"name": name, "work": work, "threads": threads, "ms": ms}
            for name, row in self.cells().items()
            for (work, threads), ms in row.items()
        ]
        content = {
            "cpu": cpu(), "system": platform.platform(), "python": platform.python_version(),
            "versions": self.versions, "missing": self.missing, "table": table, "vae_core": self.own, "blocks": self.lines,
        }
        self.options.json.parent.mkdir(parents=True, exist_ok=True)
        self.options.json.write_text(json.dumps(content, indent=1))
        note(f"written to {self.options.json}")


def own_figures(own):
    for threads, ms in own.get("w1", {}).items():
        yield "vae_core", "W1", int(threads), ms
    for pair, ms in own.get("w2", {}).items():
        m, l = pair.split(",")
        yield "vae_core", f"W2 ({int(m)}, {int(l)})", 1, ms
    for rule, ms in own.get("w5", {}).items():
        yield "vae_core", f"W5 {rule}", 1, ms
    for threads, ms in own.get("w1_bf16", {}).items():
        yield "vae_core: bf16 products", "W1", int(threads), ms


def progress(line):
    """A step that waits for a CPU was not measured: one thread's time on the clock should be its CPU time."""
    if "check" in line:
        return "checked"
    ms, of_cpu = line["blocks"]["median"], statistics.median(line["blocks"]["cpu_ms"])
    busy = f"; WARNING: the CPU was shared, CPU time {of_cpu:.2f} ms" if of_cpu < 0.9 * ms else ""
    return f"{ms:.2f} ms{busy}"


def cell(ms, ours):
    if ms is None:
        return "–"
    return f"{ms:.2f}" + (f" ({ms / ours:.2f})" if ours else "")


def cpu():
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def note(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted")
