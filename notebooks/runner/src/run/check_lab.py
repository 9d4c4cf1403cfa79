"""JupyterLab in a real browser, used as a reader would: `cargo notebooks check-kernel --browser /usr/bin/chromium`.

Opens the tour in a copy, runs it to the training, watches the curve grow, interrupts, runs the cell again, and completes a
name. Screenshots are left in notebooks/out/browser/.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

CHECKOUT = Path(os.environ["VAEB_CHECKOUT"])
SHOTS = CHECKOUT / "notebooks" / "out" / "browser"
TOKEN = "check"
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync"
).split()


def start_lab(home):
    """JupyterLab on a copy of the tour; its address."""
    (home / "notebooks").mkdir()
    (home / "vae_core").symlink_to(CHECKOUT / "vae_core")
    shutil.copy(CHECKOUT / "notebooks" / "00_tour.ipynb", home / "notebooks")
    environment = {
        **os.environ,
        "JUPYTER_PATH": str(Path(os.environ["VAEB_KERNEL_SPECS"]).parent),
        "VAEB_RUNS": str(home / "runs"),
        "VAEB_FIGURES": str(home / "figures"),
        "VAEB_PROFILE": "smoke",
        "VAEB_EPOCHS": os.environ.get("VAEB_EPOCHS", "400"),
    }
    port = 18000 + os.getpid() % 1000
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--allow-root"]
    command += [f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={home / 'notebooks'}"]
    command += ["--LanguageServerManager.autodetect=False", "--KernelSpecManager.ensure_native_kernel=False"]
    log = open(SHOTS / "lab.log", "w")
    lab = subprocess.Popen(command, cwd=home / "notebooks", env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    for _ in range(120):
        try:
            urllib.request.urlopen(f"{address}/api?token={TOKEN}", timeout=5)
            return lab, address
        except OSError:
            time.sleep(0.5)
    lab.terminate()
    raise SystemExit(f"JupyterLab did not start; see {log.name}")


def until(condition, seconds, what):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"after {seconds} s still not: {what}")


def use(page, address):
    began = time.monotonic()
    page.goto(f"{address}/lab/tree/00_tour.ipynb?token={TOKEN}&reset", timeout=120_000)
    page.wait_for_selector(".jp-NotebookPanel .jp-CodeCell", timeout=120_000)
    shot = lambda name: page.screenshot(path=str(SHOTS / f"{name}.png"))
    cells = page.locator(".jp-NotebookPanel .jp-CodeCell")
    training = cells.filter(has_text="let tour = run(&config)?").first

    def prompt(cell):
        return cell.locator(".jp-InputPrompt").first.inner_text()

    def finished(cell, seconds):
        until(lambda: prompt(cell).strip("[]: \n").isdigit(), seconds, "the cell is done")

    until(lambda: "Rust (vae_core)" in page.locator(".jp-KernelName").first.inner_text(), 60, "the kernel is chosen")
    cells.first.locator(".cm-content").click()
    for _ in range(40):  # from cell to cell until the one that trains
        reached = page.locator(".jp-Cell.jp-mod-selected", has_text="let tour = run(&config)?").count() > 0
        if reached:
            break
        page.keyboard.press("Shift+Enter")
        time.sleep(0.2)
    assert reached, "the training cell is not reached"
    page.keyboard.press("Shift+Enter")
    training.scroll_into_view_if_needed()

    # The curve, as the reader sees it: a picture that changes while the cell runs.
    pictures = []

    def changed():
        assert "*" in prompt(training) or not pictures, "the cell ended before the curve had changed three times"
        image = training.locator(".jp-OutputArea-output img, .jp-OutputArea-output svg")
        if image.count() and "*" in prompt(training):
            picture = image.first.evaluate("e => e.src || e.outerHTML")
            if picture not in pictures:
                pictures.append(picture)
                print(f"    curve {len(pictures)} after {time.monotonic() - began:.1f} s", flush=True)
        return len(pictures) > 3

    until(changed, 600, "the curve has changed three times")
    shot("1_training")

    page.keyboard.press("Escape")
    page.keyboard.press("i")
    page.keyboard.press("i")
    pressed = time.monotonic()
    finished(training, 30)
    print(f"    interrupted, done after {time.monotonic() - pressed:.1f} s", flush=True)
    training.scroll_into_view_if_needed()
    assert "stopped early" in training.inner_text(), training.inner_text()
    shot("2_interrupted")

    training.locator(".cm-content").click()
    page.keyboard.press("Control+Enter")
    until(lambda: "*" in prompt(training), 10, "the cell runs again")
    finished(training, 900)
    training.scroll_into_view_if_needed()
    assert "stopped early" not in training.inner_text(), training.inner_text()
    shot("3_continued")

    page.keyboard.press("Escape")
    page.keyboard.press("b")
    page.keyboard.press("Enter")
    page.keyboard.type("tour.resu")  # not `tour.mod`: evcxr would complete the keyword
    page.keyboard.press("Tab")
    until(lambda: "result" in " ".join(page.locator(".jp-Completer").all_inner_texts()), 60, "a completion popup")
    shot("4_completion")


def main():
    SHOTS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="vaeb-lab-") as folder:
        home = Path(folder)
        lab, address = start_lab(home)
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=sys.argv[1], headless=True, args=FLAGS)
                page = browser.new_page(viewport={"width": 1400, "height": 1000})
                try:
                    use(page, address)
                except BaseException:
                    page.screenshot(path=str(SHOTS / "failed.png"))
                    raise
                finally:
                    browser.close()
        finally:
            lab.terminate()
            try:
                lab.wait(30)
            except subprocess.TimeoutExpired:
                lab.kill()
    print(f"JupyterLab: all well. Screenshots: {SHOTS}")


if __name__ == "__main__":
    main()
