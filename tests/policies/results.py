"""Reads the results of suites that a command wrote."""

import json
from pathlib import Path

from edge_runtime.config.config_file import from_json
from policies.evaluation.suite_result import SuiteResult


def read_results(path: Path) -> tuple[SuiteResult, ...]:
    suites = json.loads(path.read_text())["suites"]
    return tuple(from_json(SuiteResult, item, str(path)) for item in suites)
