"""Timing a job, and choosing the fastest of its variants."""

import dataclasses
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass
class Job:
    """What is timed: `repeat(count)` calls with a wait at the end, and what prepares that."""

    repeat: Callable
    inner: int = 1  # sampler dispatches or optimiser steps in a call
    reset: Callable = lambda: None  # not timed: a policy far from the one that collected the batch would be another job

    def batch(self, count):
        """Seconds of one of `count` calls."""
        self.reset()
        started = time.perf_counter()
        result = self.repeat(count)
        taken = time.perf_counter() - started
        if not np.isfinite(np.asarray(result)).all():
            sys.exit("a result is not finite")
        return taken / count

    def seconds(self, total, average=statistics.median, batches=5):
        """Seconds of one sampler dispatch or step: the average of batches that last `total` seconds together."""
        count = min(64, max(1, round(total / batches / self.batch(1))))
        return average([self.batch(count) for _ in range(batches)]) / self.inner

    def mean(self, least):
        """Seconds of one call, over as many as last `least` seconds: for calls that are long themselves."""
        one = self.batch(1)
        return one if one >= least else self.batch(round(least / one))


def short(job):
    """Seconds of a call that takes milliseconds; what else runs on the machine only adds, so the smallest counts."""
    job.batch(2)
    return job.seconds(0.15, min)


def long(job):
    """The same of a call that takes a good part of a second."""
    job.batch(1)
    return min(job.batch(1), job.batch(1))


def fastest(make, choice, options, label=None, rounds=2, measure=short):
    """`(job, choice)`: one option after another is tried and the best value kept; twice, because they interact.

    `make(choice)` is a `Job`, `measure(job)` its seconds; a label has all times printed on standard error.
    """
    known = {}

    def timed(candidate):
        if candidate not in known:
            job = make(candidate)
            known[candidate] = (measure(job), job)
            if label:
                print(f"{label} {candidate} {known[candidate][0] * 1e3:.3f} ms", file=sys.stderr)
        return known[candidate][0]

    for _ in range(rounds):
        for key, values in options.items():
            choice = min((dataclasses.replace(choice, **{key: v}) for v in values), key=timed)
    timed(choice)
    return known[choice][1], choice
