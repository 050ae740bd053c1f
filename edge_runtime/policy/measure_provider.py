"""Measures one execution provider, as a program that `providers` starts.

It reads the model from stdin and the provider, as JSON, from its first argument, and writes the
measurement to stdout.
"""

import json
import sys
import time
from typing import Any

import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.policy.inference import ExecutionProvider, Policy

RUNS = 400
PERIOD = 0.005  # s between calls, as on a robot; in a hot loop every provider looks faster


def trial(model: bytes, provider: ExecutionProvider, runs: int = RUNS) -> dict[str, Any]:
    """Returns the fields of a `ProviderTiming`, from paced calls; times are in µs."""
    began = time.monotonic()
    try:
        policy = Policy(model, "it", provider)
    except UserError as error:
        return {"refused": str(error).removeprefix("it: ")}
    loaded = time.monotonic() - began
    golden = np.array(policy.contract.golden_observations, np.float32)[:, None]
    pause = min(PERIOD, policy.contract.control_period)
    took = []
    for run in range(runs):
        time.sleep(pause)
        start = time.perf_counter_ns()
        policy(golden[run % len(golden)])
        took.append(time.perf_counter_ns() - start)
    p50, p99 = np.percentile(took, (50, 99)) * 1e-3
    return {
        "p50": round(float(p50), 1),
        "p99": round(float(p99), 1),
        "golden_error": policy.golden_error(),
        "load_seconds": round(loaded, 3),
    }


def main() -> None:
    """Measures the provider that the arguments name on a model from standard input, as JSON."""
    name, options = json.loads(sys.argv[1])
    answer = trial(sys.stdin.buffer.read(), ExecutionProvider(name, options))
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
