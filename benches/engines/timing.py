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
        return self.batch(max(1, round(least / one)))


def fastest(make, choice, options, label=None, rounds=2):
    """`(job, choice)`: one option after another is tried and the best value kept; twice, because they interact.

    `make(choice)` is a `Job`; a label has all times printed on standard error.
    """
    known = {}

    def timed(candidate):
        if candidate not in known:
            job = make(candidate)
            job.batch(2)
            known[candidate] = (job.seconds(0.15, min), job)  # what else runs only adds
            if label:
                print(f"{label} {candidate} {known[candidate][0] * 1e3:.3f} ms", file=sys.stderr)
        return known[candidate][0]

    for _ in range(rounds):
        for key, values in options.items():
            choice = min((dataclasses.replace(choice, **{key: v}) for v in values), key=timed)
    timed(choice)
    return known[choice][1], choice
