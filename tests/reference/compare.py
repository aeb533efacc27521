"""Compares two safetensors files tensor by tensor.

    python compare.py GOT.safetensors WANT.safetensors [--rtol 1e-4] [--atol 0]

A tensor passes when its largest error is at most atol + rtol times the largest entry of the wanted tensor (for the two that
are rounding alone while the policies agree the largest entry counts as at least 0.1, log_rho, or 0.01, kl). The elementwise
relative error is shown beside it: it is large where a wanted entry is close to zero, so it informs and does not judge.
Exit code 0 when every wanted tensor is present, of the wanted shape, finite and close; else 1.
"""

import argparse
import sys

import numpy as np
from safetensors.numpy import load_file


# Differences of numbers of order one: an error relative to their own size says nothing when they cancel.
SMALLEST_SCALE = {"log_rho": 1e-1, "kl": 1e-2}


def check(got, want, rtol, atol, scale=0.0):
    """`(passed, error over largest entry, worst elementwise relative error, note)` for one tensor."""
    # [1] and 0-d are the same scalar to every reader of these files.
    if got.shape != want.shape and not (got.size == want.size == 1):
        return False, np.nan, np.nan, f"shape {list(got.shape)}, expected {list(want.shape)}"
    got, want = got.astype(np.float64).reshape(want.shape), want.astype(np.float64)
    if not np.isfinite(got).all():
        return False, np.nan, np.nan, f"{int((~np.isfinite(got)).sum())} entries are not finite"
    error, size = np.abs(got - want), np.abs(want)
    largest = max(float(size.max(initial=0.0)), scale)
    worst = float(error.max(initial=0.0))
    relative = worst / largest if largest > 0.0 else worst
    elementwise = float((error / np.maximum(size, 1e-300))[size > 0.0].max(initial=0.0))
    passed = worst <= atol + rtol * largest
    note = ""
    if not passed:
        at = np.unravel_index(int(error.argmax()), error.shape)
        note = f"at {[int(i) for i in at]}: got {got[at]:.9g}, expected {want[at]:.9g}"
    return passed, relative, elementwise, note


def compare(got, want, rtol, atol=0.0):
    """Rows `(name, shape, passed, relative, elementwise, note)` for every tensor of `want`, in its order."""
    rows = []
    for name, expected in want.items():
        if name in got:
            rows.append((name, list(expected.shape), *check(got[name], expected, rtol, atol, SMALLEST_SCALE.get(name, 0.0))))
        else:
            rows.append((name, list(expected.shape), False, np.nan, np.nan, "missing"))
    return rows


def main():
    """Prints the table and exits with the verdict."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("got")
    parser.add_argument("want")
    parser.add_argument("--rtol", type=float, default=1e-4)
    parser.add_argument("--atol", type=float, default=0.0)
    args = parser.parse_args()
    got, want = load_file(args.got), load_file(args.want)
    rows = compare(got, dict(sorted(want.items())), args.rtol, args.atol)
    width = max(len(r[0]) for r in rows)
    print(f"{'tensor':<{width}}  {'shape':<12} {'err/largest':>12} {'elementwise':>12}")
    for name, shape, passed, relative, elementwise, note in rows:
        print(f"{name:<{width}}  {str(shape):<12} {relative:>12.2e} {elementwise:>12.2e}  {'ok' if passed else 'FAIL  ' + note}")
    extra = sorted(set(got) - set(want))
    if extra:
        print("not compared (only in the first file): " + ", ".join(extra))
    failed = sum(not r[2] for r in rows)
    print(f"{len(rows) - failed} of {len(rows)} tensors within rtol {args.rtol:g}, atol {args.atol:g}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
