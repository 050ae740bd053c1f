"""Runs the gauntlet of a robot on legs on N rows: crane, tour, pushes, load, arms, ground."""

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from edge_runtime.rotations import yaw
from edge_runtime.signals import Bool, Float, Rows
from policies.evaluation.suite_result import PUSHES
from policies.gauntlet.trial_env import GauntletRun, TrialEnv, TrialOutcome
from policies.gauntlet.walking.crane import Crane
from policies.gauntlet.walking.protocol import WalkingGauntlet
from policies.gauntlet.walking.pushes import SegmentPushes, draw_pushes, side
from policies.gauntlet.walking.tour import Tours, draw_tour
from sim.robots.legs import numbers_of
from sim.tasks.randomization import add_mass
from sim.tasks.walking.arms import ArmConfig
from sim.tasks.walking.config import WalkingConfig
from sim.tasks.walking.task import WalkingTask
from sim.terrain.terrain import Kind, TerrainConfig

_NEVER = 1e6  # s
_SHOWN = 1.0  # s that a film's caption mentions a push


class WalkingTrials(TrialEnv):
    """Runs trials of a robot that walks; see `TrialEnv` for the arguments."""

    task: WalkingTask
    config: WalkingConfig
    outcomes = (PUSHES,)
    protocol: WalkingGauntlet = WalkingGauntlet()

    def __init__(
        self,
        task: WalkingConfig,
        protocol: WalkingGauntlet,
        run: GauntletRun,
        trials: Iterable[int],
        rows: int,
    ) -> None:
        super().__init__(task, protocol, run, trials, rows, protocol.physics_period)
        robot, model = task.robot, self.engine.model
        self._main = model.body(robot.main_body).id
        legs = robot.find_legs()
        self._hands = [model.body(name).id for name in legs.hands]
        self._ground = [model.geom(name).id for name in self.config.ground]
        self._arms = numbers_of(legs.arms, [a.name for a in robot.actuators])
        self._lower = np.array([a.lower for a in robot.actuators])
        self._upper = np.array([a.upper for a in robot.actuators])
        self._crane = Crane(protocol, rows)
        self._tours = Tours(protocol, task.commands, rows, task.control_period)
        self._pushes = SegmentPushes(protocol, rows, task.control_period)
        self._offsets = np.zeros((rows, protocol.waypoints, len(self._arms)))
        self._rows = np.arange(rows)

    @staticmethod
    def prepare_task(task: WalkingConfig, protocol: WalkingGauntlet, seed: int) -> WalkingConfig:
        """Returns the task as the protocol wants it: its own pushes, commands and loads are off."""
        kinds: list[Kind] = []
        if protocol.slope:
            kinds.append("slope")
        if protocol.step:
            kinds.append("steps")
        terrain = TerrainConfig(
            kinds=("flat", *kinds) if kinds else (),
            levels=protocol.ground_levels,
            slope=math.radians(protocol.slope),
            step=protocol.step,
        )
        seconds = protocol.crane_seconds + protocol.tour_seconds * (1.0 + protocol.slack)
        return replace(
            task,
            episode_seconds=seconds + 1.0,  # the trial ends it before
            terrain=terrain.unseen(seed),
            pushes=replace(task.pushes, enabled=False),
            arms=ArmConfig(),
            command=replace(task.command, interval=(_NEVER, _NEVER)),
            randomization=replace(task.randomization, enabled=True, payload=(0.0, 0.0)),
        )

    def place(self, row: int, rng: Generator) -> None:
        kinds = max(1, len(self.config.terrain.kinds))
        self.task.ground.curriculum.kind[row] = rng.integers(kinds)

    def prepare(self, rows: Rows, rngs: list[Generator]) -> list[dict[str, float]]:
        settings = [self._draw(row, rng) for row, rng in zip(rows.tolist(), rngs)]
        engine = self.engine
        qpos, qvel = engine.qpos[rows].copy(), engine.qvel[rows].copy()
        engine.reset(rows, qpos, qvel, constants_changed=True)
        mass = engine.field("body_mass")[rows].sum(axis=1)
        heading = yaw(qpos[:, 3:7])
        for k, (row, rng) in enumerate(zip(rows.tolist(), rngs)):
            tour = draw_tour(self.protocol, rng)
            self._tours.start(row, tour, qpos[k, :2], float(heading[k]))
            self._pushes.start(row, draw_pushes(self.protocol, rng), float(mass[k]))
            self._crane.hang(row, qpos[k, :3], float(mass[k]))
        return settings

    def _draw(self, row: int, rng: Generator) -> dict[str, float]:
        """Sets what differs from robot to robot, before constants are derived anew."""
        p = self.protocol
        friction, payload = rng.uniform(*p.friction), rng.uniform(*p.payload)
        delay = rng.uniform(*p.action_delay)
        hand, load = int(rng.integers(2)), rng.uniform(*p.hand_mass)
        offsets = rng.uniform(-p.arm_offset, p.arm_offset, self._offsets.shape[1:])
        carries = bool(rng.integers(2))
        rows = np.array([row])
        self.engine.field("geom_friction")[row, self._ground, 0] = friction
        self.actuators.delay[row] = round(delay / self.engine.model.opt.timestep)
        add_mass(self.engine, rows, self._main, payload)
        if self._hands:
            add_mass(self.engine, rows, self._hands[hand], load * carries)
        self._offsets[row] = 0.0 if carries else offsets
        return {
            "friction": friction,
            "payload_kg": payload,
            "action_delay_s": delay,
            "left_hand_kg": load * carries * (hand == 0),
            "right_hand_kg": load * carries * (hand == 1),
            "arm_offset_rad": 0.0 if carries else float(np.abs(offsets).max(initial=0.0)),
            **self._ground_below(row),
        }

    def _ground_below(self, row: int) -> dict[str, float]:
        terrain, where = self.config.terrain, self.task.ground.curriculum
        share = (int(where.level[row]) + 1) / terrain.levels
        kind = "flat" if terrain.is_flat else terrain.kinds[int(where.kind[row])]
        return {
            "slope_deg": share * self.protocol.slope if kind == "slope" else 0.0,
            "step_m": share * terrain.step if kind == "steps" else 0.0,
        }

    def disturb(self, control: Float) -> Float:
        engine = self.engine
        force = self._crane.force(self.time, engine.qpos[:, :3], engine.qvel[:, :3])
        force[:, :2] += self._pushes.force
        engine.external_force[:, self._main, :3] = force
        segment = np.minimum(self._tours.reached, self.protocol.waypoints - 1)
        moved = control.copy()
        moved[:, :, self._arms] += self._offsets[self._rows, segment][:, None, :]
        return np.clip(moved, self._lower, self._upper, out=moved)

    def watch(self) -> Bool:
        engine, p = self.engine, self.protocol
        position, heading, time = engine.qpos[:, :2], yaw(engine.qpos[:, 3:7]), self.time
        free = time >= p.crane_seconds
        error = np.where(free[:, None], self.task.now.error, 0.0)
        command, walked = self._tours.follow(position, heading, error)
        self.command[:] = np.where(free[:, None], command, 0.0)
        self._pushes.advance(np.where(free, walked, -1.0), self._tours.reached, heading, time)
        late = time >= p.crane_seconds + p.tour_seconds * (1.0 + p.slack)
        return self._tours.done | late

    def happening(self, row: int) -> list[str]:
        if self.time[row] < self.protocol.crane_seconds:
            return ["hangs from the crane"]
        segment = min(int(self._tours.reached[row]) + 1, self.protocol.waypoints)
        lines = [f"segment {segment} of {self.protocol.waypoints}"]
        pushes = self._pushes.results(row, None)
        if pushes and self.time[row] - pushes[-1].time < _SHOWN:
            lines.append(f"{pushes[-1].force:.0f} N from {side(pushes[-1].direction)}")
        return lines

    def outcome(self, row: int, fell: bool) -> TrialOutcome:
        p, seconds = self.protocol, float(self.time[row])
        reached = int(self._tours.reached[row])
        pushes = self._pushes.results(row, seconds if fell else None)
        if not fell and reached >= p.waypoints:
            walked = seconds - p.crane_seconds
            return TrialOutcome(True, f"reached all {reached} waypoints in {walked:.1f} s", pushes)
        if not fell:
            late = f"out of time: reached {reached} of {p.waypoints} waypoints in {seconds:.1f} s"
            return TrialOutcome(False, late, pushes)
        return TrialOutcome(False, self._how_it_fell(seconds, reached + 1, row), pushes)

    def _how_it_fell(self, seconds: float, segment: int, row: int) -> str:
        p = self.protocol
        released = seconds - p.crane_seconds
        if released < 0.0:
            return f"fell on the crane at {seconds:.1f} s"
        where = f"at {seconds:.1f} s in segment {segment}"
        pushes = self._pushes.results(row, seconds)
        if pushes and not pushes[-1].survived:
            last = pushes[-1]
            after = seconds - last.time
            blow = f"{last.force:.0f} N from {side(last.direction)}"
            return f"fell by a push {where}, {after:.1f} s after {blow}"
        if released < p.recovery:
            return f"fell from the crane {where}, {released:.1f} s after it let go"
        return f"fell by itself {where}, without a push in the last {p.recovery:g} s"
