"""GNSS: fixes come at their rate, hold between, and err as configured."""

import numpy as np
import pytest

from sim.sensors.gnss_receivers import GnssConfig, GnssReceivers

ROWS = 500
ALL = np.arange(ROWS)


def test_fixes_come_at_their_rate_and_hold_between() -> None:
    gnss = GnssReceivers(GnssConfig(period=0.2), ROWS, 0.04, np.random.default_rng(0))
    gnss.reset(ALL)
    fix, velocity = np.zeros((ROWS, 3), np.float32), np.zeros((ROWS, 3), np.float32)
    changes = []
    for step in range(11):
        before = fix.copy()
        truth = np.full((ROWS, 3), float(step))
        gnss.read(ALL, truth, truth, fix, velocity)
        changes.append(not np.array_equal(fix, before))
    assert changes == [True] + [False] * 4 + [True] + [False] * 4 + [True]
    assert velocity.mean() == pytest.approx(10.0, abs=0.01)


def test_errors_are_as_configured() -> None:
    config = GnssConfig(period=0.04, white=0.1, wander=0.4, time_constant=1.0)
    gnss = GnssReceivers(config, ROWS, 0.04, np.random.default_rng(1))
    gnss.reset(ALL)
    fix, velocity = np.zeros((ROWS, 3), np.float32), np.zeros((ROWS, 3), np.float32)
    zero = np.zeros((ROWS, 3))
    errors = []
    for _ in range(60):
        gnss.read(ALL, zero, zero, fix, velocity)
        errors.append(fix.copy())
    spread = np.std(errors)
    assert spread == pytest.approx(np.hypot(0.1, 0.4), rel=0.1)
    near = np.mean(errors[-1] * errors[-2])  # neighbours share the slow part
    assert near == pytest.approx(0.4**2, rel=0.15)


def test_goes_on_as_if_never_stopped() -> None:
    rng = np.random.default_rng(2)
    gnss = GnssReceivers(GnssConfig(), 3, 0.04, rng)
    gnss.reset(np.arange(3))
    fix, velocity = np.zeros((3, 3), np.float32), np.zeros((3, 3), np.float32)
    truth = np.ones((3, 3))
    for _ in range(3):
        gnss.read(np.arange(3), truth, truth, fix, velocity)
    saved, random = gnss.state(), rng.bit_generator.state
    runs = []
    for _ in range(2):
        gnss.restore(saved)
        rng.bit_generator.state = random
        for _ in range(4):
            gnss.read(np.arange(3), truth, truth, fix, velocity)
        runs.append(fix.copy())
    assert np.array_equal(*runs)
