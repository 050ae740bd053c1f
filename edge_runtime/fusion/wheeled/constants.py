"""The wheeled filter's configuration as its equations read it."""

import numpy as np

from edge_runtime.fusion.measurement import Float
from edge_runtime.fusion.plausibility import GRAVITY
from edge_runtime.fusion.wheeled import state as at
from edge_runtime.fusion.wheeled.config import WheeledConfig

_AS_THEY_ARE = (
    "gyro_noise",
    "accel_noise",
    "gyro_walk",
    "accel_walk",
    "steering_walk",
    "wander_std",
    "wander_time",
    "wheel_std",
    "wheel_time",
    "side_std",
    "sideslip",
    "up_std",
    "constraint_time",
    "rate_std",
    "rate_share",
    "rate_time",
    "wheelbase",
    "understeer",
    "wheel_spread",
    "still_speed",
    "still_time",
    "still_std",
    "still_rate_std",
    "fix_std",
    "velocity_time",
    "gate",
    "patience",
    "heading_speed",
    "heading_distance",
    "motion_time",
)


def numbers(config: WheeledConfig) -> Float:
    """The configuration as the equations read it, (CONFIG,)."""
    c = np.zeros(at.CONFIG)
    c[at.GRAVITY] = GRAVITY
    c[at.SCALE_WALK] = config.wheel_scale_walk
    for name in _AS_THEY_ARE:
        c[getattr(at, name.upper())] = getattr(config, name)
    c[at.REAR_AXLE : at.REAR_AXLE + 3] = config.rear_axle
    c[at.ANTENNA : at.ANTENNA + 3] = config.antenna
    return c
