"""Training throughput of the launch path against its rivals, interleaved, and the machine's limit in the same run."""

import os
import statistics
import tempfile
from typing import List

from benchmarks.speed import cases, flops, report
from benchmarks.speed.turns import Worker, in_turn

MATRIX = 2048  # sides of the matrices whose product is the machine's limit
LAUNCH, BARE, PLAIN = "launch path", "bare session loop", "tf-vqvae-style graph"
TOLERANCE = {"float32": 1e-4, "bfloat16": 2e-2}  # relative, of the twins' losses


def contenders(name: str, data: str, path: str, modes: List[str], quick: bool) -> List[Worker]:
    """Starts the processes that train the case `name`."""
    case = cases.CASES[name]
    found = [
        Worker(LAUNCH, kind="launch", case=name, data=data, warm_up=5 if quick else case.warm_up),
        Worker(BARE, kind="bare", case=name, data=data),
    ]
    if case.plain:
        found.append(Worker(PLAIN, kind="plain", case=name, path=path))
    return found + [Worker("PyTorch " + mode, kind="torch", case=name, path=path, mode=mode) for mode in modes]


def measure(name: str, data: str, modes: List[str], alternations: int, seconds: float, quick: bool) -> dict:
    """One case: the rates of all contenders and of products of matrices, in turns of `seconds`."""
    config = cases.config_of(name)
    m, B = config.model, config.train.batch_size
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "inputs.npz")
        preparing = Worker("preparation", kind="prepare", case=name, data=data, path=path)
        preparing.answer()
        preparing.close()
        workers = contenders(name, data, path, modes, quick)
        limits = [Worker("matrix product, TensorFlow", kind="matmul", size=MATRIX, precision=m.precision)]
        if modes:
            limits.append(Worker("matrix product, PyTorch", kind="torch_matmul", size=MATRIX, precision=m.precision))
        try:
            ready = {worker.name: worker.answer() for worker in workers + limits}
            for i in range(alternations):
                for worker in in_turn(workers + limits, i):
                    worker.turn(seconds)
        finally:
            for worker in workers + limits:
                worker.close()
    step = flops.training_step(m, B)
    peak = 2 * MATRIX**3 * max(statistics.median(worker.rates) for worker in limits)
    result = {
        "batch_size": B,
        "precision": m.precision,
        "flops_per_step": step,
        "peak_flops_per_second": peak,
        "contenders": {worker.name: worker.result() for worker in workers + limits},
        "agreement": {name: dict(found, ready=None) for name, found in ready.items() if "loss" in found},
    }
    for worker in workers:
        found = result["contenders"][worker.name]
        found["images_per_second"] = B * found["median"]
        found["share_of_peak"] = step * found["median"] / peak
    result["ratios"] = _ratios(cases.CASES[name], workers)
    _check_agreement(result)
    return result


def _ratios(case: cases.Case, workers: List[Worker]) -> dict:
    """Of the launch path to each rival, alternation by alternation; of PyTorch's modes to the best."""
    launch, rest = workers[0], {worker.name: worker for worker in workers[1:]}
    torch = [worker for worker in workers if worker.name.startswith("PyTorch")]
    rivals = [(name, rest[name], target) for name, target in ((BARE, None), (PLAIN, case.plain_target)) if name in rest]
    if torch:
        best = max(torch, key=lambda worker: statistics.median(worker.rates))
        rivals.append((best.name, best, case.torch_target))
    found = {}
    for name, rival, target in rivals:
        ratios = sorted(a / b for a, b in zip(launch.rates, rival.rates))
        found[name] = {
            "ratio": statistics.median(ratios),
            "lowest": ratios[0],
            "highest": ratios[-1],
            "of_core_seconds": statistics.median(rival.core_seconds) / statistics.median(launch.core_seconds),
            "target": target,
        }
    return found


def _check_agreement(result: dict) -> None:
    """Refuses to compare networks that are not the same."""
    for name, found in result["agreement"].items():
        found.pop("ready")
        error = abs(found["loss"] - found["our_loss"]) / abs(found["our_loss"])
        if error > TOLERANCE[result["precision"]]:
            raise RuntimeError(f"{name}: its loss is {found['loss']}, ours {found['our_loss']}")


def show(name: str, result: dict) -> None:
    """Prints a case."""
    config = cases.config_of(name)
    q, launch = config.model.quantizer, result["contenders"][LAUNCH]["median"]
    codes = f"K={q.K} D={q.D}" + (f" L={q.L}" if q.L > 1 else "")
    print(f"{name}: {config.preset}, {codes}, batch {result['batch_size']}, {result['precision']}")
    rows = [("", "steps/s", "lowest..highest", "images/s", "core-ms/step", "of peak", "launch path / it")]
    for contender, found in result["contenders"].items():
        if "share_of_peak" not in found:
            continue
        rates = found["steps_per_second"]
        rows.append(
            (
                contender,
                "{:.2f}".format(found["median"]),
                f"{min(rates):.2f}..{max(rates):.2f}",
                "{:.0f}".format(found["images_per_second"]),
                "{:.1f}".format(1e3 * found["core_seconds_per_step"]),
                "{:.1%}".format(found["share_of_peak"]),
                "{:.2f}".format(launch / found["median"]),
            )
        )
    report.table(rows)
    print(
        "matrix-product peak {:.0f} GFLOP/s, a step {:.3g} GFLOP".format(
            result["peak_flops_per_second"] / 1e9, result["flops_per_step"] / 1e9
        )
    )
    for rival, found in result["ratios"].items():
        what = "{ratio:.2f} ({lowest:.2f}..{highest:.2f}; by core-seconds {of_core_seconds:.2f})".format(**found)
        print(f"launch path / {rival}: {what} {report.verdict(found['ratio'], found['target'])}".rstrip())
    print(flush=True)
