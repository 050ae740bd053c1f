"""What episodes and trials are measured by: the same figures, checked by arithmetic."""

import numpy as np
import pytest

from edge_runtime.policy.contract import POSITION
from edge_runtime.signals import Float
from policies.evaluation.episodes import OUTCOMES, make_world, play
from policies.evaluation.measures import GRAVITY, MeasuredEnv
from policies.evaluation.policy_file import PolicyFile
from policies.evaluation.suite_result import PUSHES, known
from policies.gauntlet.gauntlet_suite import figures_of, run_gauntlet
from policies.gauntlet.protocol import GauntletProtocol
from policies.gauntlet.trial_env import GauntletRun
from sim.tasks import find_task
from sim.tasks.walking.stride import Stride
from sim.tasks.walking.task import WalkingTask
from tests.policies.short_gauntlets import POLICIES, short_drive, short_walk

ROBOTS = ("HumanoidVelocity", "VehicleTrack")


@pytest.mark.parametrize("engine", ["mujoco", pytest.param("bullet", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ROBOTS)
def test_energy_limits_and_ways_are_those_of_the_motion(name: str, engine: str) -> None:
    if engine == "bullet":
        pytest.importorskip("pybullet")
    policy = PolicyFile.find(POLICIES / f"{name}.onnx")
    walks = name == "HumanoidVelocity"
    env = make_world(policy.task, 2, 4.04, seed=1, engine=engine, randomize=False)
    if walks:
        env.operator = np.array([[0.6, 0.0, 0.0], [0.4, 0.0, 0.0]], np.float32)
    try:
        act, motion = policy.actor(2), _Motion(env)
        episodes = play(env, lambda observations: act(motion.see(observations)), seed=1)
    finally:
        env.close()
    assert episodes.survived.all()  # else what follows was of the episodes after them
    power, effort, reach = motion.kept()
    for row in range(2):
        measured = {figure: values[row] for figure, values in episodes.metrics.items()}
        way = np.diff(motion.at[:: 50 if walks else 1, row], axis=0)
        energy = power[:, row].sum() * env.config.control_period
        spent = energy / (motion.mass[row] * GRAVITY * np.linalg.norm(way, axis=1).sum())
        assert measured["cost_of_transport"] == pytest.approx(spent, rel=0.03)
        assert 0.1 < spent < 3.0
        for figure, shares in (("torque_use", effort), ("joint_range_use", reach)):
            assert measured[figure] == pytest.approx(np.quantile(shares[:, row], 0.95), abs=0.02)


class _Motion:
    """Looks at the simulations before each action."""

    def __init__(self, env: MeasuredEnv) -> None:
        self._env, actuators = env, env.config.robot.actuators
        self._joints = [a for a in actuators if a.mode == POSITION]
        self._names = [a.name for a in actuators]
        self._effort = np.array([a.max_effort for a in actuators])
        self._seen: list[tuple[Float, Float, Float]] = []
        self._at: list[Float] = []
        self.mass = np.zeros(env.num_envs)

    def see(self, observations: Float) -> Float:
        engine = self._env.engine
        torque, speed = (
            np.concatenate([engine.sensor(f"{name}_{kind}") for name in self._names], axis=1)
            for kind in ("torque", "vel")
        )
        angle = np.stack(
            [engine.qpos[:, engine.model.joint(a.name).qposadr[0]] for a in self._joints], axis=1
        )
        middle = np.array([(a.upper + a.lower) / 2 for a in self._joints])
        half = np.array([(a.upper - a.lower) / 2 for a in self._joints])
        self._seen.append(
            (
                np.abs(torque * speed).sum(axis=1),
                np.abs(torque) / self._effort,
                np.abs(angle - middle) / half,
            )
        )
        self._at.append(engine.qpos[:, :2].copy())
        self.mass = engine.field("body_mass").sum(axis=1)
        return observations

    def kept(self) -> list[Float]:
        """Returns moments after the reset: power (T, N), shares of effort and range (T, N, ·)."""
        return [np.array(each)[1:] for each in zip(*self._seen)]

    @property
    def at(self) -> Float:
        return np.array(self._at)


@pytest.mark.parametrize("name", ROBOTS)
def test_plain_episodes_and_trials_have_the_same_figures(name: str) -> None:
    policy = PolicyFile.find(POLICIES / f"{name}.onnx")
    protocol = short_drive(lap_seconds=0.4) if name == "VehicleTrack" else short_walk()
    env = make_world(policy.task, 1, 0.2, seed=0)
    plain = set(play(env, policy.actor(1), seed=0).figures())
    assert plain == {*OUTCOMES, *env.measures.names}
    suite = set(figures_of(policy, protocol))
    own = {"completed", "seconds", "survival", PUSHES}
    assert suite - own == plain - set(OUTCOMES) - {"terrain_level"}
    (trial,) = run_gauntlet(policy, protocol, GauntletRun([0], threads=1)).trials
    assert set(trial.metrics) == set(known(trial.metrics)) <= suite
    wanted = {"cost_of_transport", "torque_use", "joint_range_use"}
    wanted |= {"wheel_slip", "lap_time"} if name == "VehicleTrack" else {"foot_slip"}
    assert wanted <= plain


def test_on_rough_ground_a_trial_tells_its_level_as_an_episode_does() -> None:
    policy = PolicyFile.find(POLICIES / "HumanoidVelocity.onnx")
    assert "terrain_level" in figures_of(policy, GauntletProtocol())


def test_foot_slip_is_the_speed_of_the_feet_that_touch() -> None:
    env = make_world(find_task("HumanoidVelocity"), 4, seconds=2.0, seed=0)
    env.reset(seed=0)
    actions = np.random.default_rng(0).normal(size=(30, *(env.action_space.shape or ())))
    touching = []
    for action in actions:
        env.step(action.astype(np.float32))
        task = env.task
        assert isinstance(task, WalkingTask)
        for row in range(4):
            speeds = [
                float(np.hypot(*task.now.foot_velocity[row, foot, :2]))
                for foot in range(2)
                if task.now.foot_force[row, foot] > 5.0
            ]
            touching.append(len(speeds))
            slip = float(task.metrics()["foot_slip"][row])
            assert slip == pytest.approx(np.mean(speeds) if speeds else 0.0)
    assert set(touching) == {0, 1, 2}


def test_a_stride_is_the_simulations_own_to_the_bit() -> None:
    """The rest of the batch has no influence, nor the time for which it has run."""
    rng = np.random.default_rng(0)
    among, alone = Stride(7, rows=3), Stride(7, rows=1)
    for _ in range(10):
        among.add(rng.normal(size=(3, 3)))
    among.reset(np.array([1]))
    for _ in range(40):
        values = rng.normal(size=(3, 3))
        among.add(values)
        alone.add(values[1:2])
        assert np.array_equal(among.mean()[1], alone.mean()[0])


def test_an_env_goes_on_measuring_in_the_row_of_an_ended_episode() -> None:
    env = make_world(find_task("HumanoidVelocity"), 2, seconds=0.2, seed=0)
    env.reset(seed=0)
    still = np.zeros(env.action_space.shape or (), np.float32)
    for _ in range(10):
        env.step(still)
    first = dict(env.ended[0])
    assert first["joint_range_use"] > 0 and env.measures.steps.tolist() == [0, 0]
    for _ in range(10):
        env.step(still)
    assert env.ended[0].keys() == first.keys() and env.ended[0] != first
