"""Compares estimates of a recording with its reference."""

import math

import numpy as np

from edge_runtime.replay.errors_against_reference import Errors, errors_against_reference
from edge_runtime.replay.readers import Log
from edge_runtime.replay.replay_log import EstimateSeries
from edge_runtime.signals import Float


def against(run: EstimateSeries, log: Log) -> Errors:
    """Returns the errors of a log that has a reference."""
    errors = errors_against_reference(run, log)
    assert errors is not None
    return errors


def rms(values: Float) -> float:
    """Returns the RMS of the finite values."""
    return math.sqrt(float(np.nanmean(values**2)))
