"""Executes one notebook with nbclient, cell by cell, for the Rust runner.

Arguments: one JSON object (see `Job` in rerun.rs). Every event is one JSON line on standard output; after each cell the
runner judges its outputs and answers "continue" or "stop" on standard input. What the kernel itself prints goes to
standard error. A closed standard input means that the runner is gone: the kernel is
shut down, and the notebook saved as far as it got.
"""

import asyncio
import json
import os
import queue
import signal
import sys
import threading
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError


def emit(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


class Client(NotebookClient):
    """Tells the runner what a running cell prints, so that a long training shows life."""

    def process_message(self, msg, cell, cell_index):
        if msg["msg_type"] == "stream" and msg["content"]["name"] == "stdout":
            lines = msg["content"]["text"].strip().splitlines()
            if lines:
                emit("printed", line=lines[-1][:200])
        return super().process_message(msg, cell, cell_index)


def verdict_material(cell):
    """What the runner needs to tell a failed cell from a good one."""
    errors, stderr, results = [], "", []
    for output in cell.outputs:
        kind = output["output_type"]
        if kind == "error":
            errors.append("\n".join(output["traceback"]) or output["evalue"])
        elif kind == "stream" and output["name"] == "stderr":
            stderr += output["text"]
        elif kind == "execute_result":
            results.append(str(output["data"].get("text/plain", ""))[:10000])
    return {"errors": errors, "stderr": stderr, "results": results}


async def execute(job, answers):
    nb = nbformat.read(job["input"], as_version=4)
    code = [(i, c) for i, c in enumerate(nb.cells) if c.cell_type == "code" and c.source.strip()]
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            cell.metadata.pop("execution", None)
    nb.metadata["kernelspec"] = {"name": job["kernel"], "display_name": job["display_name"], "language": "rust"}

    specs = KernelSpecManager(kernel_dirs=[job["kernel_dir"]], ensure_native_kernel=False)
    client = Client(
        nb,
        km=AsyncKernelManager(kernel_name=job["kernel"], kernel_spec_manager=specs),
        timeout=job["timeout"],
        startup_timeout=600,
        allow_errors=True,
        coalesce_streams=True,
        record_timing=False,
        resources={"metadata": {"path": job["cwd"]}},
    )
    client.owns_km = True
    finished = False
    emit("starting", cells=len(code))
    async with client.async_setup_kernel(
        cwd=job["cwd"], stdout=sys.stderr.fileno(), stderr=sys.stderr.fileno(), env=dict(os.environ)
    ):
        reply = await client.async_wait_for_reply(client.kc.kernel_info())
        if reply is not None:
            # evcxr says "Rust"; JupyterLab looks for another kernel of the same language by the exact name "rust".
            nb.metadata["language_info"] = {**reply["content"]["language_info"], "name": "rust"}
        for number, (index, cell) in enumerate(code, 1):
            emit("cell", number=number, source=cell.source)
            failure = None
            try:
                await client.async_execute_cell(cell, index)
            except CellTimeoutError:
                failure = f"the cell ran longer than {job['timeout']} seconds (--timeout)"
            except (DeadKernelError, queue.Empty, RuntimeError) as error:
                failure = f"the kernel stopped answering: {error}"
            cell.execution_count = number
            for output in cell.outputs:
                if "execution_count" in output:
                    output["execution_count"] = number
            cell.metadata.pop("execution", None)
            tolerated = "raises-exception" in cell.metadata.get("tags", [])
            emit("done", number=number, failure=failure, tolerated=tolerated, **verdict_material(cell))
            if await asyncio.to_thread(answers.get) != "continue":
                break
        else:
            finished = True
        target = Path(job["output"] if finished else job["partial"])
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(target.name + ".tmp")
        nbformat.write(nb, unfinished)
        os.replace(unfinished, target)
        emit("saved", path=str(target))


def main():
    job = json.loads(sys.argv[1])
    answers = queue.Queue()

    def listen():
        for line in sys.stdin:
            answers.put(line.strip())
        os.kill(os.getpid(), signal.SIGINT)
        answers.put("stop")

    threading.Thread(target=listen, daemon=True).start()
    try:
        asyncio.run(execute(job, answers))
    except Exception as error:
        # The kernel has said the rest already.
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)  # without nbclient's own complaints at exit


if __name__ == "__main__":
    main()
