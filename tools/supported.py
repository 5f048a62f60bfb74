"""Whether TensorFlow has a wheel for this Python and system. Stops with one line and status 1 where it has none.

  python tools/supported.py

`make` and `python setup.py` call it before they install anything. It runs on any Python 3 and imports no library.
"""

import platform
import struct
import sys

# The wheels of TensorFlow 2.15 (and of 1.15, by Python 3.7), by `platform.system()` and `platform.machine()`.
MACHINES = {
    "Linux": ("x86_64", "aarch64"),
    "Darwin": ("x86_64", "arm64"),
    "Windows": ("AMD64",),
}
MACHINES_TF1 = {"Linux": ("x86_64",), "Darwin": ("x86_64",), "Windows": ("AMD64",)}
WANTED = "expected CPython 3.8 to 3.11 (TensorFlow 2.12 to 2.15) or 3.7 (TensorFlow 1.15)"


def problem(version, implementation, system, machine, bits, musl):
    """Says what prevents TensorFlow from being installed; None where nothing does.

    Args:
      version: (major, minor) of Python.
      implementation: `platform.python_implementation()`.
      system: `platform.system()`.
      machine: `platform.machine()`.
      bits: 64 or 32, the size of a pointer of the Python process.
      musl: whether the C library is musl, as on Alpine Linux.
    """
    if implementation != "CPython" or not (3, 7) <= tuple(version) <= (3, 11):
        return f"Python: got {implementation} {version[0]}.{version[1]}, {WANTED}"
    machines = MACHINES_TF1 if tuple(version) == (3, 7) else MACHINES
    if machine not in machines.get(system, ()) or bits != 64 or musl:
        got = f"{system} on {machine}, {bits} bits" + (", musl" if musl else "")
        known = "; ".join(f"{name} on {' or '.join(machines[name])}" for name in sorted(machines))
        return f"system: got {got}, expected one that TensorFlow has a wheel for: {known}"
    return None


def of_this_machine():
    """The arguments of `problem` for the Python that runs."""
    import sysconfig

    return (
        sys.version_info[:2],
        platform.python_implementation(),
        platform.system(),
        platform.machine(),
        8 * struct.calcsize("P"),
        "musl" in (sysconfig.get_config_var("HOST_GNU_TYPE") or ""),
    )


def main():
    found = problem(*of_this_machine())
    if found:
        sys.exit("vq_estimator: error: " + found)


if __name__ == "__main__":
    main()
