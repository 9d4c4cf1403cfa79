"""Tests of the real kernel, from Jupyter's side. Run by `cargo notebooks check-kernel`; times are printed, and only absurd ones fail."""

import json
import os
import random
import re
import signal
import statistics
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

import jupyter_kernel_test

from tested_kernel import BUILDS, CHECKOUT, KERNEL, RUNNER, SPECS, Kernel, folders, packages, processes, say, wait_until

LOAD = ':dep vae_core = { path = "../vae_core" }\nuse vae_core::prelude::*;'
MARK = r"\u{1e}vaeb-live/1 "


class Protocol(jupyter_kernel_test.KernelTests):
    """Jupyter's own tests of the message specification."""

    kernel_name = KERNEL
    language_name = "rust"
    file_extension = ".rs"
    code_hello_world = 'println!("hello, world");'
    code_stderr = 'eprintln!("oops");'
    code_generate_error = 'let n: i32 = "x".parse()?;'
    code_execute_result = [{"code": "1 + 2", "result": "3"}, {"code": '"a".to_string() + "b"', "result": '"ab"'}]
    completion_samples = [{"text": "let shown = 1; sho", "matches": {"shown"}}]
    complete_code_samples = ["1 + 1"]
    code_display_data = [
        {"code": f"""println!("{MARK}{{}}", r#"{{"op":"display","id":"a","data":{{"text/html":"<b>1</b>"}}}}"#);""", "mime": "text/html"}
    ]
    code_clear_output = f"""println!("{MARK}{{}}", r#"{{"op":"clear","wait":false}}"#);"""

    @classmethod
    def setUpClass(cls):
        os.environ["JUPYTER_PATH"] = str(Path(SPECS).parent)
        super().setUpClass()
        # Jupyter's tests wait 15 seconds for an answer, which is for a kernel that is up.
        cls.kc.execute_interactive("1 + 1", timeout=600, output_hook=lambda message: None)


class Cells(unittest.TestCase):
    """One kernel for many cells."""

    @classmethod
    def setUpClass(cls):
        cls.kernel = Kernel()
        done = cls.kernel.run(LOAD)
        say(f"from start to the first cell's end: {time.monotonic() - cls.kernel.began:.1f} s")
        assert done.reply["status"] == "ok", done.reply

    @classmethod
    def tearDownClass(cls):
        cls.kernel.__exit__()

    def check_error(self, code, ename, text="", program_ends=False):
        done = self.kernel.run(code)
        self.assertEqual(done.reply["status"], "error", code)
        self.assertEqual(done.reply["ename"], ename)
        self.assertIn(text, "\n".join([done.reply["evalue"], *done.reply["traceback"]]))
        self.assertIn("error", done.kinds())
        self.assertEqual(self.kernel.run("1 + 1").result(), "2", "the kernel goes on")

    def test_versions_are_those_of_the_lockfile(self):
        locked, used = (packages(f / "Cargo.lock") for f in (CHECKOUT, BUILDS / f"kernel-{self.kernel.pid}"))
        self.assertIn("ndarray", {name for name, _ in used})
        self.assertEqual({name for name, _ in used - locked}, {"ctx"}, "evcxr's own package is the only other")

    def test_errors(self):
        self.kernel.run("let kept = vec![1, 2, 3];")
        self.check_error('panic!("boom {}", 3)', "panic", "boom 3")
        self.check_error("let v: Vec<i32> = vec![]; println!(\"{}\", v[3]);", "panic", "out of bounds")
        self.check_error('let n: i32 = "x".parse()?;', "ParseIntError", "invalid digit")
        self.check_error('std::fs::read_to_string("/nonexistent")?;', "Error", "No such file")
        self.check_error('Err::<(), Box<dyn std::error::Error>>("custom".into())?;', "Error", "custom")
        self.check_error('let n: i32 = "s";', "Error", "mismatched types")
        self.assertEqual(self.kernel.run("kept").result(), "[1, 2, 3]", "variables outlive all that")

    def test_a_message_is_no_error(self):
        done = self.kernel.run('let error = "only a message"; eprintln!("{}", error); eprintln!("warning: {error}"); eprintln!();')
        self.assertEqual(done.reply["status"], "ok")
        self.assertEqual(done.text("stderr"), "only a message\nwarning: only a message\n\n")
        caught = self.kernel.run('let caught = std::panic::catch_unwind(|| panic!("inside")).is_err(); caught')
        self.assertEqual((caught.reply["status"], caught.result()), ("ok", "true"))
        self.assertEqual(caught.text("stderr").strip(), "panicked: inside")

    def test_ended_programs(self):
        self.check_error("std::process::exit(3)", "Ended", "exit status: 3")
        self.check_error("fn deep(n: u64) -> u64 { if n == u64::MAX { 0 } else { deep(n + 1) + std::hint::black_box(n) } }\ndeep(0)", "Ended", "stack overflow")
        # An allocation that no system grants, and one that fails in an abort.
        self.check_error("std::alloc::handle_alloc_error(std::alloc::Layout::new::<[u8; 1 << 40]>())", "Ended", "SIGABRT")
        self.check_error("let big: Vec<u8> = Vec::with_capacity(usize::MAX / 2 - 1); big.len()", "Ended", "SIGABRT")
        self.assertEqual(self.kernel.run("Array2::<f64>::zeros((1, 1)).len()").result(), "1", "the crate is still there")

    def test_errors_stop_the_queue(self):
        failing, waiting = self.kernel.send('panic!("stop")'), self.kernel.send('println!("never");')
        self.assertEqual(self.kernel.finish(failing).reply["status"], "error")
        aborted = self.kernel.finish(waiting)
        self.assertEqual((aborted.reply["status"], aborted.text()), ("aborted", ""))

    def test_displays_change_while_the_cell_runs(self):
        code = f"""for i in 0..5 {{
    println!("{MARK}{{{{\\"op\\":\\"update\\",\\"id\\":\\"a\\",\\"data\\":{{{{\\"text/plain\\":\\"{{i}}\\"}}}}}}}}");
    println!("{MARK}{{{{\\"op\\":\\"text\\",\\"id\\":\\"t\\",\\"text\\":\\"{{i}} of 5\\"}}}}");
    std::thread::sleep(std::time::Duration::from_millis(200));
}}"""
        at = []
        done = self.kernel.run(code, each=lambda kind, _: at.append(time.monotonic()) if "display" in kind else None)
        displays = [kind for kind in done.kinds() if "display" in kind]
        self.assertEqual(displays, ["display_data"] + 4 * ["update_display_data"])
        self.assertGreater(at[-1] - at[0], 0.5, "spread over the cell's time")
        self.assertEqual(done.text(), "0 of 5\r1 of 5\r2 of 5\r3 of 5\r4 of 5\n")

    def test_completion_and_inspection(self):
        self.kernel.run("let visible_matrix = Array2::<f64>::zeros((2, 3));")
        code = "visible_matrix.nro"
        request = self.kernel.client.complete(code, len(code))
        self.assertIn("nrows", " ".join(self.kernel.finish(request).reply["matches"]))

    def test_inspection_is_passed_on(self):
        """What evcxr answers to Shift+Tab, as it is: documentation of functions and types, in two formats; else not found."""
        for code, found in [
            ("Vec::<u8>::with_capacity", ["fn with_capacity", "capacity"]),
            ("Array2::<f64>::zeros", ["zeros"]),
            ("no_such_name", None),
        ]:
            reply = self.kernel.finish(self.kernel.client.inspect(code, len(code))).reply
            self.assertEqual((reply["status"], reply["found"]), ("ok", found is not None), code)
            self.assertEqual(sorted(reply["data"]), ["text/html", "text/plain"] if found else [], code)
            for word in found or []:
                self.assertIn(word, reply["data"]["text/plain"])

    def test_types_are_found(self):
        """The analyser reads neither all of the standard library nor all packages (`analyser.rs`), but types from everywhere are found."""
        for code in [
            'let map = std::collections::HashMap::from([(1, 2.0)]);',
            "let listed = map.iter().map(|(k, v)| (*k, v.to_string())).collect::<Vec<_>>();",
            "let ordered: std::collections::BTreeSet<_> = map.keys().copied().collect();",
            "let since = std::time::Instant::now().elapsed().as_secs_f64();",
            'let file = std::fs::File::open("/dev/null")?;',
            "let shared = std::sync::Arc::new(std::sync::Mutex::new(vec![Some('x')]));",
            "let thread = std::thread::spawn(|| 1u8);",
            "let number = vae_core::rand::random::<f32>();",
            "let array = Array2::<f64>::from_shape_fn((2, 3), |(i, j)| (i * j) as f64);",
            "let (sums, scaled) = (array.sum_axis(Axis(0)), &array * 2.0);",
            "let value = vae_core::serde_json::json!({\"a\": [1]});",
            'let keys: Vec<_> = value.as_object().unwrap().iter().map(|(k, _)| k.clone()).collect();',
            "let normal = vae_core::rand_distr::Normal::new(0.0, 1.0)?;",
            "let numbers = vae_core::rng::rng(1, vae_core::rng::Stream::User, 0);",
            "let colour = vae_core::plotters::style::RGBColor(1, 2, 3);",
            "let data = DatasetConfig::new(DatasetKind::SyntheticDigits).load()?;",
            "let prepared = data.test.prepared(&Preprocess::default(), 3)?;",
            "let provenance = Provenance::collect(&data.name, &data.sha256, [], []);",
        ]:
            done = self.kernel.run(code)
            self.assertEqual(done.reply["status"], "ok", (code, done.reply.get("evalue")))

    def test_times(self):
        for code in ["1 + 1", "let numbers = [1.0, 2.0, 3.0];"]:
            seconds = [self.kernel.run(code).seconds for _ in range(7)][2:]
            say(f"{code}: {statistics.median(seconds):.2f} s (median of 5)")
            self.assertLess(statistics.median(seconds), 10)
        request = lambda: self.kernel.finish(self.kernel.client.is_complete("1"))
        seconds = []
        for _ in range(50):
            began = time.monotonic()
            request()
            seconds.append(time.monotonic() - began)
        say(f"a request that needs no compiler, there and back: {1000 * statistics.median(seconds):.1f} ms")
        self.assertLess(statistics.median(seconds), 1)
        done = self.kernel.run("for i in 0..100_000 { println!(\"{i}\"); }")
        self.assertEqual(done.text().splitlines(), [str(i) for i in range(100_000)])
        messages = done.kinds().count("stream")
        say(f"100,000 lines: {done.seconds:.1f} s, in {messages} messages")
        self.assertLess(done.seconds, 120)

    def test_interrupt_of_a_plain_cell_ends_the_program(self):
        self.kernel.run("fn stays() -> i32 { 7 }\nlet lost = 1;")
        request = self.kernel.send("loop { std::thread::sleep(std::time::Duration::from_millis(10)); }")
        time.sleep(3)
        began = time.monotonic()
        self.kernel.interrupt()
        done = self.kernel.finish(request)
        say(f"a plain cell ended {time.monotonic() - began:.2f} s after Interrupt")
        self.assertEqual(done.reply["ename"], "Interrupted")
        self.assertEqual(self.kernel.run("stays()").result(), "7")

    def test_interrupt_of_an_idle_kernel_does_nothing(self):
        self.kernel.run("let survivor = 5;")
        self.kernel.interrupt()
        self.assertEqual(self.kernel.run("survivor").result(), "5")


TRAINING = """let data = DatasetConfig {{ limit: Some(Limit {{ train: 1000, eval: 200 }}), ..DatasetConfig::new(DatasetKind::SyntheticDigits) }};
let mut config = RunConfig::report(data).latent(2).seed({seed});
config.model.encoder = vec![50];
config.model.decoder = vec![50];
config.budget = Budget::Epochs(100_000);
let trained = run(&config)?;"""


class Training(unittest.TestCase):
    """Interrupt keeps the model."""

    def test_interrupts(self):
        times = int(os.environ.get("VAEB_INTERRUPTS", "5"))
        generator, answers = random.Random(1), []
        with Kernel() as kernel:
            kernel.run(LOAD)
            for seed in range(times):
                request = kernel.send(TRAINING.format(seed=seed))
                while True:  # until it trains
                    message = kernel.client.get_iopub_msg(timeout=300)
                    if message["msg_type"] in ("display_data", "error") and message["parent_header"].get("msg_id") == request:
                        break
                self.assertEqual(message["msg_type"], "display_data", message["content"])
                time.sleep(generator.uniform(0, 2))
                began = time.monotonic()
                kernel.interrupt()
                done = kernel.finish(request, timeout=60)
                answers.append(time.monotonic() - began)
                self.assertEqual(done.reply["status"], "ok", done.reply)
                whole = kernel.run(
                    "(trained.result.stopped.is_some(), trained.result.history.records.windows(2).all(|w| w[0].samples < w[1].samples))"
                )
                self.assertEqual(whole.result(), "(true, true)")
        say(f"{times} interrupts, {times} models kept; the cell ended after {statistics.median(answers):.2f} s, at most {max(answers):.2f} s")
        self.assertLess(max(answers), 30)


class Start(unittest.TestCase):
    """What a reader waits for."""

    def test_first_figure(self):
        notebook = json.loads((CHECKOUT / "notebooks" / "00_tour.ipynb").read_text())
        cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
        with Kernel(VAEB_FIGURES=tempfile.mkdtemp(prefix="vaeb-figures-")) as kernel:
            for code in cells:
                done = kernel.run(code)
                self.assertEqual(done.reply["status"], "ok", done.reply)
                if any("image/png" in content.get("data", {}) for _, content in done.outputs):
                    break
            else:
                self.fail("the tour has no figure")
            say(f"from start to the tour's first figure: {time.monotonic() - kernel.began:.1f} s")
            folder = str(BUILDS / f"kernel-{kernel.pid}")
            ids = [line.split()[0] for line in processes(folder)] + [str(kernel.pid)]
            sizes = subprocess.run(["ps", "-o", "rss=", "-p", ",".join(ids)], capture_output=True, text=True, check=False).stdout
            say(f"memory of its {len(ids)} processes: {sum(map(int, sizes.split())) // 1024} MB")


class Processes(unittest.TestCase):
    """Many kernels, and what is left of them."""

    def test_two_at_once_do_not_mix(self):
        with Kernel() as one, Kernel() as two:
            for kernel in (one, two):
                kernel.run("1 + 1")  # the first cell may also tell that one kernel waited for the other
            requests = [(k, k.send(f"let own = {n};\nfor _ in 0..200 {{ println!(\"{n}\"); }}")) for n, k in enumerate([one, two])]
            for n, (kernel, request) in enumerate(requests):
                self.assertEqual(kernel.finish(request).text(), f"{n}\n" * 200)
                self.assertEqual(kernel.run("own").result(), str(n))
        self.assertTrue(wait_until(lambda: folders() == []), folders())

    def test_killed_kernels_leave_nothing(self):
        for number in range(int(os.environ.get("VAEB_KILLS", "10"))):
            kernel = Kernel()
            if number % 3 == 0:
                kernel.run("1 + 1")  # with evcxr, its program and its compiler
                kernel.send("loop { std::thread::sleep(std::time::Duration::from_millis(10)); }")
            elif number % 3 == 1:
                time.sleep(1)  # while it starts
            os.kill(kernel.pid, signal.SIGKILL)
            kernel.client.stop_channels()
            kernel.manager.provisioner.process.wait()
            kernel.manager.cleanup_resources()
        self.assertTrue(wait_until(lambda: folders() == []), folders())
        self.assertTrue(wait_until(lambda: processes(str(BUILDS / "kernel-")) == []), processes(str(BUILDS / "kernel-")))
        say("nothing is left of killed kernels")

    def test_dead_evcxr_is_said(self):
        with Kernel() as kernel:
            kernel.run("1")
            request = kernel.send("loop { std::thread::sleep(std::time::Duration::from_millis(10)); }")
            time.sleep(2)
            folder = str(BUILDS / f"kernel-{kernel.pid}")
            evcxr = [line for line in processes(folder) if "--control_file" in line]
            os.kill(int(evcxr[0].split()[0]), signal.SIGKILL)
            self.assertEqual(kernel.finish(request, timeout=60).reply["ename"], "KernelEnded")


class Runner(unittest.TestCase):
    """What is started with `cargo notebooks` in a pipe, or for a figure."""

    def rerun(self, *args, **options):
        return subprocess.Popen([RUNNER, *args], cwd=CHECKOUT, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **options)

    def test_a_rerun_goes_on_when_its_reader_has_had_enough(self):
        with tempfile.TemporaryDirectory() as out:
            rerun = self.rerun("rerun", "01", "--profile", "smoke", "--out", out, stdout=subprocess.PIPE)
            self.assertIn("Executing", rerun.stdout.readline())  # as `head -1`
            rerun.stdout.close()
            said = rerun.stderr.read()
            self.assertEqual((rerun.wait(), said), (0, ""))
            self.assertTrue((Path(out) / "01_introduction.ipynb").exists())

    def test_a_figure_is_drawn_for_a_page(self):
        with tempfile.TemporaryDirectory() as out:
            figures = lambda width: self.rerun(
                "figures", "01_posteriors", "--width", width, "--format", "svg,png,pdf", "--profile", "smoke", "--out", out, stdout=subprocess.DEVNULL
            )
            narrow = figures("20mm")
            self.assertIn("give it at least", narrow.stderr.read())
            self.assertEqual((narrow.wait(), os.listdir(out)), (1, []))
            said = (of_a_column := figures("85mm")).stderr.read()
            self.assertEqual(of_a_column.wait(), 0, said)
            self.assertIn('width="321.26"', (Path(out) / "01_posteriors.svg").read_text()[:200])
            # 85 mm in points, in the PDF's own words
            pdf = (Path(out) / "01_posteriors.pdf").read_bytes()
            self.assertTrue(re.search(rb"MediaBox ?\[0 0 240\.9", pdf), pdf[:2000])


class Editing(unittest.TestCase):
    """Edits of the crate while a kernel runs. The time stamps of the sources are changed and put back, nothing else stays."""

    def test_changed_types_are_refused(self):
        source = CHECKOUT / "vae_core" / "src" / "train" / "history.rs"
        before, times = source.read_bytes(), source.stat()
        self.assertIn(b"pub struct History {", before)
        with Kernel() as kernel:
            kernel.run(LOAD)
            try:
                source.write_bytes(before.replace(b"pub struct History {", b"pub struct History {\n    pub more: u8,", 1))
                done = kernel.run("1 + 1")
                self.assertEqual(done.reply["ename"], "TypesChanged")
                self.assertIn("restart the kernel", done.reply["evalue"])
                source.write_bytes(before + b"\n// an edit of no type\n")
                self.assertEqual(kernel.run("1 + 1").reply["status"], "ok")
            finally:
                source.write_bytes(before)
                os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))


if __name__ == "__main__":
    unittest.main(verbosity=2)
