#!/usr/bin/env python3
"""with_hyperqueue.py LIST [SERVER_DIR]: the runs of a list as tasks of HyperQueue, from the top of the checkout.

Without SERVER_DIR on this machine, by a cluster of its own; with it by a server that runs (`hq server start --server-dir SERVER_DIR`) and the
workers that it has. What failed is submitted again, twice: a run goes on from its checkpoint.
"""
import json
import os
import sys

from hyperqueue import Client, Job, LocalCluster
from hyperqueue.cluster import WorkerConfig

PROGRAM = os.environ.get("VAEB_PROGRAM", os.path.abspath("target/debug/notebooks"))
ROUNDS = 3


def sweep(client: Client, runs: str, indices: list[int]) -> list[int]:
    """Submits these runs and returns those that failed."""
    environment = {name: value for name, value in os.environ.items() if name.startswith("VAEB_")}
    job = Job(default_env={"VAEB_THREADS": "1", **environment}, max_fails=None)
    for index in indices:
        job.program([PROGRAM, "sweep", runs, "--index", str(index)], stdout=None, stderr=None, crash_limit=5)
    submitted = client.submit(job)
    client.wait_for_jobs([submitted], raise_on_error=False)
    return [indices[task] for task in sorted(client.get_failed_tasks(submitted))]


def main() -> int:
    runs = os.path.abspath(sys.argv[1])
    left = list(range(1, len(json.load(open(runs))) + 1))
    cluster = None if len(sys.argv) > 2 else LocalCluster(worker_config=WorkerConfig())
    client = Client(sys.argv[2]) if cluster is None else cluster.client()
    for _ in range(ROUNDS):
        left = sweep(client, runs, left) if left else left
        if left:
            print(f"failed: {left}", file=sys.stderr)
    if cluster is not None:
        cluster.stop()
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
