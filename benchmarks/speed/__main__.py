"""Speed against the field, on this machine, in one command.

  python -m benchmarks.speed [--quick] [--only=training,profile,quantizer,saved_model] [--data_dir=DIR]

Prints tables, with the targets next to the ratios, and writes benchmarks/results/speed_*.json and the plot
docs/images/quantizer_scaling.png. docs/benchmarks.md says what is measured and how. It needs TensorFlow 2 on Linux;
without PyTorch (`pip install ".[bench]"`) its part is left out.
"""

import argparse
import importlib.util
import os
import shutil
import statistics
import sys
import tempfile

from benchmarks.speed import cases, report, saved_model, training
from benchmarks.speed.turns import ROOT, Worker, in_turn
from vq_estimator.errors import VQError

TORCH_MODES = ("eager", "channels_last", "compile", "compile, channels_last")
BATCHES = (1, 64)
LIMIT = 3 * 2**30  # bytes of the broadcast form's distances beyond which it is not run
WALK = {  # of the quantizer: what is varied, from where
    "N": [(n, 512, 64) for n in (1024, 4096, 16384, 65536)],
    "K": [(4096, k, 64) for k in (16, 128, 1024, 8192)],
    "D": [(4096, 512, d) for d in (8, 32, 128, 512)],
}
PROFILED = ["cifar10-128", "cifar10-mixture-128", "cifar10-mixture-128-bfloat16"]
LARGEST = (16384, 8192, 64)


def torch_modes() -> list:
    """The modes of PyTorch that are available."""
    if not importlib.util.find_spec("torch"):
        print("no PyTorch here: its part is left out\n")
        return []
    if not (shutil.which("g++") or shutil.which("clang++")):
        print("no C++ compiler here: torch.compile is left out\n")
        return [mode for mode in TORCH_MODES if "compile" not in mode]
    return list(TORCH_MODES)


def here(names) -> list:
    """The cases that this processor can train."""
    able = [name for name in names if report.has_bfloat16() or not name.endswith("bfloat16")]
    if len(able) < len(names):
        print("this processor has no bfloat16: its cases are left out\n")
    return able


def run_training(options) -> dict:
    """Runs the cases in sequence. Cases that were not requested keep their earlier results."""
    found = {} if options.quick else report.read(options.out, "training")
    for name in ["mnist-32"] if options.quick else here(options.cases):
        seconds = options.seconds or (0.3 if options.quick else 4.0 if name.startswith("mnist") else 8.0)
        modes = options.torch_modes[:1] if options.quick else options.torch_modes
        conditions = report.conditions()
        found[name] = training.measure(name, options.data_dir, modes, options.alternations, seconds, options.quick)
        found[name]["conditions"] = conditions
        training.show(name, found[name])
        options.keep("training", {name: found[name] for name in cases.CASES if name in found})  # before the next one
    return {name: found[name] for name in cases.CASES if name in found}


def run_profile(options) -> dict:
    """Where the time of a step goes."""
    found = {}
    names = ["mnist-32"] if options.quick else here(PROFILED)
    for name in names:
        steps = 2 if options.quick else 10
        answer = answer_of(Worker(name, kind="profile", case=name, data=options.data_dir, steps=steps))
        shares = answer["shares"]
        both = shares.get("likelihood", 0.0) + shares.get("quantizer", 0.0)
        target = None if options.quick else cases.PROFILE_TARGET
        found[name] = dict(answer, likelihood_and_quantizer=both, target=target)
        print(f"{name}: where a step's time goes")
        report.table([("part", "share")] + [(part, f"{share:.1%}") for part, share in shares.items()])
        print(f"likelihood and quantizer: {both:.1%} {report.verdict(both, target, least=False)}\n")
    return found


def run_quantizer(options) -> dict:
    """Our quantizer against the broadcast form, for one N, K and D after the other, and at the largest size."""
    walk = {"N": [(256, 64, 16)]} if options.quick else dict(WALK, largest=[LARGEST])
    calls, rows, found = 2 if options.quick else 5, [("N, K, D", "seconds", "peak MB", "broadcast s", "MB")], {}
    for along, places in walk.items():
        found[along] = []
        for N, K, D in places:
            size = {"N": N, "K": K, "D": D}
            point = dict(size)
            for form in ("ours", "broadcast") if 4 * N * K * D <= LIMIT else ("ours",):
                answer = answer_of(Worker(form, kind="quantizer", form=form, calls=calls, **size))
                point[form] = {"seconds": answer["seconds"], "peak_bytes": answer["peak_bytes"]}
            cells = []
            for form in ("ours", "broadcast"):
                cells += (
                    ["{seconds:.4f}".format(**point[form]), "{:.0f}".format(point[form]["peak_bytes"] / 1e6)]
                    if (form in point)
                    else ["not run", f"{4 * N * K * D / 1e6:.0f} and more"]
                )
            rows.append((f"{N}, {K}, {D}", *cells))
            found[along].append(point)
    print("quantizer: a pass and its gradients")
    report.table(rows)
    if not options.quick:
        peak = found["largest"][0]["ours"]["peak_bytes"]
        print(f"peak at {LARGEST}: {peak / 1e6:.0f} MB {report.verdict(peak, cases.QUANTIZER_TARGET, least=False)}\n")
        draw_quantizer(found, options.plot)
    return found


def draw_quantizer(found: dict, path: str) -> None:
    """The plot of `run_quantizer`: a row for time and one for memory, a column for each of N, K and D."""
    from vq_estimator import drawing

    panels = []
    for quantity, unit in (("seconds", 1.0), ("peak_bytes", 1e-6)):
        row = []
        for along in WALK:
            fixed = ", ".join(f"{n}={found[along][0][n]}" for n in WALK if n != along)
            lines = {}
            for form, label in (("ours", "ours"), ("broadcast", "broadcast")):
                points = [(p[along], unit * p[form][quantity]) for p in found[along] if form in p]
                lines[label] = tuple(zip(*points))
            row.append((along, f"{'seconds' if quantity == 'seconds' else 'peak MB'} ({fixed})", lines))
        panels.append(row)
    drawing.log_lines(path, panels)


def run_saved_model(options) -> dict:
    """Latency of the provided models' signatures, ours and the twin's, in turns."""
    found = {}
    for model in ["cifar10"] if options.quick else ["mnist", "cifar10"]:
        with tempfile.TemporaryDirectory() as folder:
            answer = answer_of(Worker("export", kind="export", model=model, path=folder))
            batches = BATCHES[:1] if options.quick else BATCHES
            given = {"path": folder, "batches": batches}
            workers = [Worker(f"SavedModel, {way}", kind="saved_model", way=way, **given) for way in saved_model.WAYS]
            modes = options.torch_modes[:1] if options.quick else options.torch_modes
            workers += [
                Worker("PyTorch " + mode, kind="torch_model", model=model, mode=mode, **given) for mode in modes
            ]
            try:
                ready = {worker.name: worker.answer() for worker in workers}
                calls = [f"{signature} {B}" for signature in answer["signatures"] for B in batches]
                found[model] = {call: latencies(workers, ready, call, options) for call in calls}
            finally:
                for worker in workers:
                    worker.close()
            found[model]["same_codes"] = {name: a["same_codes"] for name, a in ready.items() if "same_codes" in a}
        show_latencies(model, found[model], [worker.name for worker in workers])
    return found


def latencies(workers, ready: dict, call: str, options) -> dict:
    """Milliseconds of one call, the median over the alternations, of each worker that has it."""
    able = [worker for worker in workers if call in ready[worker.name]["calls"]]
    seconds = {worker.name: [] for worker in able}
    for i in range(options.alternations):
        for worker in in_turn(able, i):
            seconds[worker.name].append(1.0 / worker.turn(0.1 if options.quick else 1.0, call))
    return {name: 1e3 * statistics.median(values) for name, values in seconds.items()}


def show_latencies(model: str, found: dict, names) -> None:
    """Prints a table: a row for each signature and batch size."""
    print(f"SavedModel of {model}: milliseconds of a call")
    rows = [("signature, batch", *names, "best PyTorch / best of ours")]
    for call, times in found.items():
        if call == "same_codes":
            continue
        ours = min(t for name, t in times.items() if name.startswith("SavedModel"))
        torch = [t for name, t in times.items() if name.startswith("PyTorch")]
        cells = [f"{times[name]:.2f}" if name in times else "none" for name in names]
        rows.append((call, *cells, f"{min(torch) / ours:.2f}" if torch else ""))
    report.table(rows)


def answer_of(worker: Worker) -> dict:
    """The one answer of a worker that has no turns, which then ends."""
    try:
        return worker.answer()
    finally:
        worker.close()


SECTIONS = {
    "training": run_training,
    "profile": run_profile,
    "quantizer": run_quantizer,
    "saved_model": run_saved_model,
}


def main() -> None:
    """Parses the options and runs the sections."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a smoke run: the figures mean nothing")
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, separated by commas")
    parser.add_argument("--cases", default=",".join(cases.CASES), help="of training, separated by commas")
    parser.add_argument("--data_dir", default=os.environ.get("VQ_DATA_DIR", "./datasets"), help="the data sets' folder")
    parser.add_argument("--alternations", type=int, help="turns of each contender (default: 5)")
    parser.add_argument("--seconds", type=float, help="length of a turn of training (default: 4 on MNIST, else 8)")
    parser.add_argument("--out", help="folder of the results (default: benchmarks/results)")
    options = parser.parse_args()
    sections = options.only.split(",")
    for name in sections:
        if name not in SECTIONS:
            parser.error(f"--only: got {name!r}, expected some of {', '.join(SECTIONS)}")
    options.cases = options.cases.split(",")
    for name in options.cases:
        if name not in cases.CASES:
            parser.error(f"--cases: got {name!r}, expected some of {', '.join(cases.CASES)}")
    options.data_dir = os.path.abspath(options.data_dir)
    options.alternations = options.alternations or (1 if options.quick else 5)
    options.torch_modes = torch_modes()
    options.plot = os.path.join(options.out or os.path.join(ROOT, "docs", "images"), "quantizer_scaling.png")
    options.out = options.out or report.RESULTS
    conditions = report.conditions()
    print(", ".join(f"{name} {value}" for name, value in conditions.items()) + "\n", flush=True)

    def keep(name, result):
        if not (options.quick and options.out == report.RESULTS):  # a smoke run does not replace a measured result
            report.write(options.out, name, {"conditions": conditions, "quick": options.quick, "results": result})

    options.keep = keep
    try:
        for name in sections:
            keep(name, SECTIONS[name](options))
    except (VQError, RuntimeError) as e:  # of a worker, whose last line says what it was
        sys.exit("speed: error: " + str(e).strip().splitlines()[-1])


if __name__ == "__main__":
    main()
