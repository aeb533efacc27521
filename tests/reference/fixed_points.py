"""Where the Brownian regulariser alone drives a flow: phi_1 = c z, with c for each path and number of midpoint steps.

    python fixed_points.py          exit 1 when a number differs from the published one

At self-consistency (v = v_hat) the residual eta vanishes for v = x (rectified), x / (2 t^2 - t + 1) (interpolant) and
x cos t / (cos t + sin t) (TrigFlow). Integrating that field from z = 1 with the solver's own steps gives c.
"""

import sys

import jax.numpy as jnp

import policyflow
from policyflow import INTERPOLANT, RECTIFIED, TRIGFLOW

FIELDS = {
    RECTIFIED: lambda x, t: x,
    INTERPOLANT: lambda x, t: x / (2.0 * t**2 - t + 1.0)[:, None],
    TRIGFLOW: lambda x, t: x * (jnp.cos(t) / (jnp.cos(t) + jnp.sin(t)))[:, None],
}
# path, name, midpoint steps, c to four or three digits as published
EXPECTED = [
    (RECTIFIED, "rectified", 4, None),
    (RECTIFIED, "rectified", 6, 2.7072),
    (RECTIFIED, "rectified", 10, 2.7141),
    (INTERPOLANT, "interpolant", 10, 2.495),
    (TRIGFLOW, "trigflow", 10, 2.197),
]


def fixed_point(path, n_steps):
    """`(c, largest |eta| of the field)` for a path and a number of midpoint steps."""
    end = policyflow.horizon(path)
    t = jnp.linspace(0.0, end, 2 * n_steps + 1)
    x = jnp.linspace(-3.0, 3.0, 2 * n_steps + 1)[:, None]
    v = FIELDS[path](x, t)
    eta = policyflow.residual(path, t[:, None], x, v, v)
    c = policyflow.midpoint(FIELDS[path], jnp.ones((1, 1)), n_steps, end)
    return float(c[0, 0]), float(jnp.abs(eta).max())


def main():
    """Prints the table and exits with the verdict."""
    failed = False
    for path, name, n_steps, published in EXPECTED:
        c, eta = fixed_point(path, n_steps)
        digits = 0 if published is None else len(str(published).split(".")[1])
        good = eta < 1e-12 and (published is None or abs(c - published) <= 0.51 * 10.0**-digits)
        failed |= not good
        print(f"{name:<12} N={n_steps:<3} phi_1 = {c:.6f} z   published {published or '-'}   eta {eta:.0e}   {'ok' if good else 'FAIL'}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
