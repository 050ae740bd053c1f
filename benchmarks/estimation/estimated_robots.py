"""Measures the estimators of robots that the committed policies drive, with noise. Part of
`fusion.py`.

It measures their errors, and how the policies perform on estimates instead of the truth.
"""

import math

from figures import Figure

from estimation.car import measure_car_estimation
from estimation.humanoid import measure_estimation
from policies.evaluation.episodes import make_world, play
from policies.evaluation.policy_file import PolicyFile
from sim.envs.vector_env import TRUTH

SEED = 11  # of the worlds
# s in a gantry, as when a robot is switched on, during which the gyroscope's bias is found
RESTING = 30.0
PER_MINUTE = 60.0 * 180.0 / math.pi  # from rad/s to degrees per minute


def estimated_robots(quick: bool) -> list[Figure]:
    """Returns all rows."""
    walker = PolicyFile.committed("HumanoidVelocity")
    driver = PolicyFile.committed("VehicleTrack")
    return [
        *estimation_errors(walker, driver, quick),
        *driven(walker, "survival", "legged", 50 if quick else 400),
        *driven(driver, "lapped", "wheeled", 25 if quick else 200),
    ]


def estimation_errors(walker: PolicyFile, driver: PolicyFile, quick: bool) -> list[Figure]:
    """Measures the errors of the estimators."""
    rows, seconds = (4, 12.0) if quick else (16, 30.0)
    minute = 62.0  # s, of which the first do not count
    legged = measure_estimation(walker.task, walker.actor(rows), rows, minute, resting=RESTING)
    cold = measure_estimation(walker.task, walker.actor(rows), rows, minute)
    wheeled = measure_car_estimation(driver.task, driver.actor(rows), rows, seconds)
    return [
        Figure("humanoid, velocity RMS", legged.velocity_rms, "m/s", 0.05, at_least=False),
        Figure(
            f"humanoid, yaw off after a minute's walk, {RESTING:g} s at rest before",
            PER_MINUTE * legged.yaw_drift,
            "°/min",
            3.0,
            f"over 10 s {PER_MINUTE * legged.yaw_wander:.1f}; a gyroscope of 0.16 °/s/√Hz",
            at_least=False,
        ),
        Figure(
            "humanoid, yaw off after a minute's walk, without rest before",
            PER_MINUTE * cold.yaw_drift,
            "°/min",
            None,
            f"its gyroscope's bias is up to 34 °/min; velocity RMS {cold.velocity_rms:.3f} m/s",
            at_least=False,
        ),
        Figure("humanoid, consistent", 100.0 * legged.consistency, "% of time", 90.0),
        Figure("humanoid, consistent, without rest", 100.0 * cold.consistency, "% of time", 90.0),
        Figure("car, consistent", 100.0 * wheeled.consistency, "% of time", 90.0),
        Figure(
            "car, horizontal RMS",
            wheeled.position_rms,
            "m",
            wheeled.gnss_rms,
            f"GNSS alone {wheeled.gnss_rms:.2f}",
            at_least=False,
        ),
    ]


def driven(policy: PolicyFile, success: str, estimator: str, episodes: int) -> list[Figure]:
    """Returns the points of success lost by driving on estimates instead of the truth, in the same
    worlds."""
    share = {}
    for source in (TRUTH, estimator):
        env = make_world(policy.task, episodes, None, SEED, estimates=source)
        policy.drive(env)
        share[source] = 100.0 * play(env, policy.actor(episodes), SEED).summary()[success]
    return [
        Figure(
            f"{policy.task.name}, {episodes} episodes on estimates: {success} lost",
            share[TRUTH] - share[estimator],
            "points",
            2.0,
            f"{share[estimator]:.4g} % by '{estimator}', {share[TRUTH]:.4g} % by the truth",
            at_least=False,
        )
    ]
