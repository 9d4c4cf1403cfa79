"""The kernel that `check_kernel.py` tests, from Jupyter's side, and its traces on the machine."""

import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

CHECKOUT = Path(os.environ["VAEB_CHECKOUT"])
SPECS = os.environ["VAEB_KERNEL_SPECS"]
KERNEL = os.environ["VAEB_KERNEL"]
RUNNER = os.environ["VAEB_RUNNER"]
BUILDS = CHECKOUT / "target" / "evcxr"
# Real runs are kept for the reader; these are not.
RUNS = tempfile.mkdtemp(prefix="vaeb-runs-")


class Kernel:
    """A running kernel and what a front end does with it."""

    def __init__(self, **environment):
        self.began = time.monotonic()
        specs = KernelSpecManager(kernel_dirs=[SPECS], ensure_native_kernel=False)
        self.manager = KernelManager(kernel_name=KERNEL, kernel_spec_manager=specs)
        env = {**os.environ, "VAEB_RUNS": RUNS, **environment}
        self.manager.start_kernel(cwd=str(CHECKOUT / "notebooks"), env=env)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=600)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=False)

    @property
    def pid(self):
        return self.manager.provisioner.pid

    def send(self, code):
        return self.client.execute(code)

    def finish(self, request, each=None, timeout=600):
        """Everything that a request gives, until the kernel is idle again."""
        outputs = []
        while True:
            message = self.client.get_iopub_msg(timeout=timeout)
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status":
                if content["execution_state"] == "idle":
                    break
                continue
            outputs.append((kind, content))
            if each:
                each(kind, content)
        while True:
            reply = self.client.get_shell_msg(timeout=60)
            if reply["parent_header"].get("msg_id") == request:
                return Done(outputs, reply["content"])

    def run(self, code, each=None, timeout=600):
        began = time.monotonic()
        done = self.finish(self.send(code), each, timeout)
        done.seconds = time.monotonic() - began
        return done

    def interrupt(self):
        self.manager.interrupt_kernel()


class Done:
    def __init__(self, outputs, reply):
        self.outputs, self.reply = outputs, reply

    def kinds(self):
        return [kind for kind, _ in self.outputs]

    def text(self, name="stdout"):
        return "".join(c["text"] for k, c in self.outputs if k == "stream" and c["name"] == name)

    def result(self):
        results = [c["data"].get("text/plain") for k, c in self.outputs if k == "execute_result"]
        return results[-1] if results else None


def say(*words):
    print("   ", *words, flush=True)


def processes(of):
    """Processes that name the folder `of` among their arguments or, where /proc tells, in their environment."""
    listing = subprocess.run(["ps", "-A", "-o", "pid=,args="], capture_output=True, text=True, check=False).stdout
    found = [line.strip() for line in listing.splitlines() if of in line]
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if of.encode() in entry.read_bytes() and not any(f.split()[0] == entry.parent.name for f in found):
                found.append(f"{entry.parent.name} (by its environment)")
        except OSError:
            continue
    return found


def packages(lockfile):
    """Names and versions in a `Cargo.lock`."""
    return set(re.findall(r'^name = "(.+)"\nversion = "(.+)"$', lockfile.read_text(), re.MULTILINE))


def folders():
    return sorted(p.name for p in BUILDS.glob("kernel-*"))


def wait_until(condition, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return condition()
