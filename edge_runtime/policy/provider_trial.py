"""Measures one execution provider; a program of its own, started by `providers`.

The model comes on stdin, the provider as JSON in the first argument, and the answer goes to stdout.
"""

import json
import sys
import time
from typing import Any

import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.policy.inference import ExecutionProvider, Policy

RUNS = 400
PERIOD = 0.005  # s: a robot asks now and then; in a hot loop every provider looks faster


def trial(model: bytes, provider: ExecutionProvider, runs: int = RUNS) -> dict[str, Any]:
    """The fields of a `Measurement`: times in µs, one paced call for each."""
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
    """Answer."""
    name, options = json.loads(sys.argv[1])
    answer = trial(sys.stdin.buffer.read(), ExecutionProvider(name, options))
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
