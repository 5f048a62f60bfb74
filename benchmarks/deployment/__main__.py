"""Measures latency, size and exactness of the exported formats, with the SavedModel and PyTorch for comparison.

  python -m benchmarks.deployment [--quick] [--only=exactness,latency] [--data_dir=DIR]

Prints tables and writes benchmarks/results/deployment.json; docs/deploy.md has the figures. Contenders work in turns
of a fraction of a second. A latency is the mean of the fastest turn, in milliseconds, because other work on the machine
prolongs some turns. It needs Linux, TensorFlow 2 and the extra `onnx`; without PyTorch its part is left out.
"""

import argparse
import json
import os
import tempfile

from benchmarks.speed import report, saved_model
from benchmarks.speed.__main__ import answer_of, torch_modes
from benchmarks.speed.turns import Worker, in_turn
from vq_estimator.data.files import write_json

MODELS = ("mnist", "cifar10", "cifar10-factorised")
WITH_TWIN = ("mnist", "cifar10")  # provided models that the PyTorch twin can compute
FORMATS = ("onnx", "tflite", "tflite-float16")
TIMED = {"onnxruntime": "onnx", "TFLite": "tflite"}
BATCHES = (1, 64)
EXACTNESS, LATENCY = SECTIONS = ("exactness", "latency")


def measure(model: str, sections, modes, data: str, turns: int, seconds: float) -> dict:
    """Exports a provided model and measures its files; returns the results by section."""
    found = {}
    with tempfile.TemporaryDirectory() as path:
        answer_of(Worker("SavedModel", kind="export", model=model, path=path))
        written = Worker("exports", kind="write_exports", model=model, path=path, formats=FORMATS)
        found["bytes"] = answer_of(written)["sizes"]
        if EXACTNESS in sections:
            job = dict(kind="exactness", model=model, path=path, formats=FORMATS, data=os.path.abspath(data))
            answer = answer_of(Worker("exactness", **job))
            found[EXACTNESS] = {name: answer[name] for name in FORMATS}
        if LATENCY in sections:
            found[LATENCY] = _latencies(model, path, modes if model in WITH_TWIN else [], turns, seconds)
    return found


def _latencies(model, path, modes, turns, seconds) -> dict:
    given = {"path": path, "batches": BATCHES}
    workers = [Worker(f"SavedModel, {way}", kind="saved_model", way=way, **given) for way in saved_model.WAYS]
    workers += [Worker(name, kind="exported", folder=folder, **given) for name, folder in TIMED.items()]
    workers += [Worker("PyTorch " + mode, kind="torch_model", model=model, mode=mode, **given) for mode in modes]
    try:
        ready = {worker.name: worker.answer()["calls"] for worker in workers}
        calls = [f"{name} {B}" for name in ("encode", "decode") for B in BATCHES]
        found = {}
        for call in calls:
            able = [worker for worker in workers if call in ready[worker.name]]
            if not {"onnxruntime"} & {worker.name for worker in able}:
                continue  # the decoder draws
            rates = {worker.name: [] for worker in able}
            for i in range(turns):
                for worker in in_turn(able, i):
                    rates[worker.name].append(worker.turn(seconds, call))
            found[call] = {name: 1e3 / max(values) for name, values in rates.items()}
        return found
    finally:
        for worker in workers:
            worker.close()


def show(model: str, found: dict) -> None:
    """Prints the tables of a model."""
    if EXACTNESS in found:
        print(f"{model}: {next(iter(found[EXACTNESS].values()))['images']} test images")
        rows = [("format", "codes that differ", "largest gap", "pixels that differ", "by at most", "kB of encode")]
        for name, row in found[EXACTNESS].items():
            size = next(n for file, n in found["bytes"][name].items() if file.startswith("encode"))
            share, largest = row.get("pixels_that_differ"), row.get("largest_difference")
            cells = f"{row['codes_that_differ']} of {row['codes']}", f"{row['largest_gap']:.2g}"
            more = ("", "") if share is None else (f"{share:.2g}", str(largest))
            rows.append((name, *cells, *more, f"{size / 1e3:.0f}"))
        report.table(rows)
    if LATENCY in found:
        print(f"{model}: milliseconds of a call")
        names = list(next(iter(found[LATENCY].values())))
        rows = [("function, batch", *names, "best of ours / best PyTorch")]
        for call, times in found[LATENCY].items():
            torch = [t for name, t in times.items() if name.startswith("PyTorch")]
            ours = min(t for name, t in times.items() if not name.startswith("PyTorch"))
            cells = [f"{times[name]:.3f}" if name in times else "" for name in names]
            rows.append((call, *cells, f"{ours / min(torch):.2f}" if torch else ""))
        report.table(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few turns, of mnist alone")
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, with commas between them")
    parser.add_argument("--models", default=",".join(MODELS), help="provided models, with commas between them")
    parser.add_argument(
        "--data_dir", default=os.environ.get("VQ_DATA_DIR", "./datasets"), help="folder of the data sets"
    )
    parser.add_argument("--turns", type=int, default=25, help="turns of each contender")
    parser.add_argument("--seconds", type=float, default=0.2, help="of a turn")
    parser.add_argument("--out", default=os.path.join(report.RESULTS, "deployment.json"), help="the file to write")
    options = parser.parse_args()
    sections, models = options.only.split(","), ["mnist"] if options.quick else options.models.split(",")
    turns, modes = (2, torch_modes()[:1]) if options.quick else (options.turns, torch_modes())
    result = {"conditions": {}, "results": {}}
    if os.path.exists(options.out):
        with open(options.out, encoding="utf-8") as f:
            result = json.load(f)
    for section in sections:
        result["conditions"][section] = report.conditions()
    for model in models:
        found = measure(model, sections, modes, options.data_dir, turns, options.seconds)
        show(model, found)
        result["results"].setdefault(model, {}).update(found)
        write_json(options.out, result)


if __name__ == "__main__":
    main()
