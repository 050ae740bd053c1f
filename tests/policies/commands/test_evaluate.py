import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.errors import UserError
from edge_runtime.policy.inference import Policy
from policies.commands import train
from policies.evaluation.episodes import EpisodesInterrupted, make_world, play, unseen_seed
from policies.evaluation.gate import Gate
from policies.evaluation.measures import MeasuredEnv
from policies.evaluation.policy_file import PolicyFile
from policies.train.run_folder import RunFolder
from sim.envs.vector_env import TaskVectorEnv
from sim.tasks import find_task
from sim.tasks.walking.config import HumanoidVelocity
from sim2edge.__main__ import main as sim2edge
from tests.policies.conftest import practising, short


def evaluate(*words: object) -> int:
    return sim2edge(["eval", *map(str, words)])


def test_same_seed_same_result_and_json_holds_it(trained: Path, tmp_path: Path) -> None:
    results = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        result = tmp_path / f"{name}.json"
        common = ("--episodes", 4, "--seconds", 0.6, "--json", result)
        assert evaluate(trained / "policy.onnx", "--seed", seed, *common) == 0
        results.append(json.loads(result.read_text())["result"])
    assert results[0] == results[1] != results[2]
    assert (
        evaluate("--config", tmp_path / "c.json", "--seed", 3, "--json", tmp_path / "d.json") == 0
    )
    assert json.loads((tmp_path / "d.json").read_text())["result"] == results[0]
    assert set(results[0]) >= {"success", "survival", "return", "episode_seconds"}
    assert set(results[0]) >= {"velocity_error", "yaw_rate_error", "cost_of_transport"}
    assert set(results[0]) >= {"torque_use", "joint_range_use", "foot_slip"}
    spread = json.loads((tmp_path / "a.json").read_text())["spread"]["mujoco"]
    assert spread["return"][0] <= results[0]["return"] <= spread["return"][1]
    assert "survival" not in spread  # a share


def test_a_run_and_its_policy_file_evaluate_alike(trained: Path, tmp_path: Path) -> None:
    results = []
    for number, policy in enumerate((trained, trained / "policy.onnx")):
        result = tmp_path / f"{number}.json"
        evaluate(policy, "--episodes", 2, "--seconds", 0.4, "--json", result)
        results.append(json.loads(result.read_text())["result"])
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("gate", "code"),
    [
        ('{"at_least": {"survival": 0.0}, "at_most": {"velocity_error": 100}}', 0),
        ('{"at_least": {"survival": 1.1}}', 1),
        ('{"at_least": {"survival": 0.0}, "at_most": {"velocity_error": 0.0}}', 1),
        ('{"at_least": {"nonsense": 0.0}}', 2),
        ('{"at_last": {"survival": 0.0}}', 2),
        ('{"at_least": {"survival": "much"}}', 2),
        ('{"at_least": {"survival": true}}', 2),
        ('{"at_most": {"velocity_error": {"value": 100, "unit": "m/s"}}}', 0),
        ('{"at_most": {"velocity_error": {"value": 100, "unit": "km/h"}}}', 2),
        ('{"at_most": {"velocity_error": {"value": 100}}}', 2),
        ('{"at_most": {"velocity_error": {"value": 100, "unit": "m/s", "per": 1}}}', 2),
        ('{"at_least": {"survival": NaN}}', 2),
        ("{}", 2),
        ("[]", 2),
        ("{", 2),
    ],
)
def test_a_gate_decides_the_exit_code(
    gate: str, code: int, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "gate.json"
    path.write_text(gate)
    common = ("--episodes", 2, "--seconds", 0.2)
    assert evaluate(trained / "policy.onnx", *common, "--gate", path) == code
    if code == 2:
        assert capsys.readouterr().err.strip().count("\n") == 0


def test_a_gate_may_be_toml(tmp_path: Path) -> None:
    pytest.importorskip("tomllib")
    path = tmp_path / "gate.toml"
    path.write_text("[at_least]\nsurvival = 0.95\n[at_most]\nlap_time = 20\n")
    gate = Gate.read(path, {})
    assert [b.sign for b in gate.judge({"mujoco": {"survival": 1.0}})] == [">=", "<="]
    assert not _missed(gate, survival=0.95, lap_time=20.0)
    assert _missed(gate, survival=0.94, lap_time=20.0)
    assert _missed(gate, survival=1.0, lap_time=float("nan"))
    path.write_text("[at_least\n")
    with pytest.raises(UserError, match=r"gate\.toml"):
        Gate.read(path, {})


@pytest.mark.parametrize("empty", ["{}", '{"at_least": {}}', '{"at_least": {}, "at_most": {}}'])
def test_a_gate_without_bounds_is_refused_with_what_it_may_hold(empty: str, tmp_path: Path) -> None:
    path = tmp_path / "gate.json"
    path.write_text(empty)
    with pytest.raises(UserError) as error:
        Gate.read(path, {})
    assert str(error.value) == (
        f"{path} has no bounds, so nothing could fail; a gate has tables [at_least] and [at_most] "
        "of figures that the evaluation prints, such as survival = 0.95"
    )
    path.write_text('{"at_least": {}, "at_most": {"lap_time": 20}}')
    assert Gate.read(path, {}).at_most == {"lap_time": 20}


def _missed(gate: Gate, **means: float) -> bool:
    return not all(bound.met for bound in gate.judge({"mujoco": means}))


def test_an_episode_counts_until_its_own_end() -> None:
    env = make_world(find_task("HumanoidVelocity"), 3, seconds=3.0, seed=0)
    actions = np.zeros((3, *env.single_action_space.shape), np.float32)
    actions[0, ::2], actions[0, 1::2] = 5.0, -5.0  # falls at once, while the others stand a while
    episodes = play(env, lambda _: actions, seed=0)
    assert episodes.survived[0] == 0
    assert episodes.seconds[0] < min(episodes.seconds[1:])
    # Alone, it fares the same.
    env = make_world(find_task("HumanoidVelocity"), 3, seconds=3.0, seed=0)
    env.reset(seed=unseen_seed(0))
    total, velocity_error = 0.0, []
    while True:
        _, reward, terminated, _, _ = env.step(actions)
        total += float(reward[0])
        velocity_error.append(env.metrics["velocity_error"][0])
        if terminated[0]:
            break
    assert episodes.total_reward[0] == pytest.approx(total)
    assert episodes.metrics["velocity_error"][0] == pytest.approx(np.mean(velocity_error))


def test_a_time_limit_is_survived() -> None:
    env = make_world(find_task("HumanoidVelocity"), 2, seconds=0.1, seed=0)
    episodes = play(env, lambda _: np.zeros((2, *env.single_action_space.shape)), seed=0)
    assert episodes.survived.tolist() == [1.0, 1.0]
    assert episodes.seconds.tolist() == [0.1, 0.1]


def test_the_cars_peer_laps_and_its_lap_time_is_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = tmp_path / "result.json"
    common = ("--episodes", 3, "--no-randomize", "--json", result)
    assert evaluate("pure-pursuit", "--seconds", 35, *common) == 0
    measured = json.loads(result.read_text())["result"]
    assert measured["lapped"] == measured["survival"] == 1.0
    assert 5.0 < measured["lap_time"] < 35.0
    gate = tmp_path / "gate.json"
    gate.write_text('{"at_most": {"lap_time": 20}}')
    assert evaluate("pure-pursuit", "--seconds", 1, *common, "--gate", gate) == 1
    assert json.loads(result.read_text())["result"]["lap_time"] is None
    assert "missed lap_time nan <= 20" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["HumanoidVelocity", "VehicleTrack"])
def test_no_robot_is_one_that_the_training_of_the_same_seed_begins_with(name: str) -> None:
    task, seed = find_task(name), 3
    seen = TaskVectorEnv(task, 4, seed=seed, threads=1)
    world = make_world(task, 4, seconds=task.control_period, seed=seed)
    evaluated = []

    def act(observations: np.ndarray) -> np.ndarray:
        evaluated.append(world.engine.field("body_mass").copy())
        return np.zeros(world.action_space.shape, np.float32)

    play(world, act, seed)
    assert not np.isin(evaluated[0][:, 1:], seen.engine.field("body_mass")).any()


def test_worlds_are_unseen() -> None:
    task = find_task("VehicleTrack")
    seen = TaskVectorEnv(task, 1, threads=1)
    unseen = make_world(task, 1, seconds=1.0, seed=task.track_seed)
    assert not np.array_equal(seen.task.tracks.center[0], unseen.task.tracks.center[0])


def test_a_training_on_shorter_episodes_is_evaluated_on_the_tasks_own(tmp_path: Path) -> None:
    run, result = tmp_path / "run", tmp_path / "result.json"
    assert train.main(dataclasses.replace(short(run), task=practising(0.3))) == 0
    lengths = RunFolder(run).load()["statistics"]["episodes"][:, 1]
    assert lengths.max() == 15  # control steps; this training has sixteen
    for policy in (run, run / "policy.onnx"):
        assert evaluate(policy, "--episodes", 2, "--json", result) == 0
        document = json.loads(result.read_text())
        assert document["seconds"] == find_task("HumanoidVelocity").episode_seconds == 20.0
        assert document["result"]["episode_seconds"] > 0.3


def test_one_row_runs_the_file_as_the_robot_does(trained: Path) -> None:
    assert isinstance(PolicyFile.find(trained / "policy.onnx").actor(1), Policy)


def test_many_rows_give_what_one_gives(trained: Path) -> None:
    policy = PolicyFile.find(trained / "policy.onnx")
    rows = np.random.default_rng(0).normal(size=(20, policy.contract.observation_size))
    rows = rows.astype(np.float32)
    single, many = policy.actor(1), policy.actor(20)
    one_by_one = np.concatenate([single(row[None]).copy() for row in rows])
    np.testing.assert_allclose(many(rows), one_by_one, atol=1e-5)


def test_a_policy_of_another_version_is_refused(trained: Path) -> None:
    policy = PolicyFile.find(trained / "policy.onnx")
    task = dataclasses.replace(find_task("HumanoidVelocity"), action_clip=1.23)
    with pytest.raises(UserError, match="action_clip"):
        policy.drive(TaskVectorEnv(task, 1, threads=1))


def test_a_policy_drives_with_the_gains_that_it_was_exported_with(trained: Path) -> None:
    policy = PolicyFile.find(trained / "policy.onnx")
    trimmed = [dataclasses.replace(a, stiffness=2 * a.stiffness) for a in policy.contract.actuators]
    contract = dataclasses.replace(policy.contract, actuators=tuple(trimmed))
    env = TaskVectorEnv(policy.task, 2, threads=1)
    before = env.engine.field("actuator_gainprm")[:, :, 0].copy()
    dataclasses.replace(policy, contract=contract).drive(env)
    np.testing.assert_allclose(env.engine.field("actuator_gainprm")[:, :, 0], 2 * before)
    assert env.contract().actuators == contract.actuators


@pytest.mark.parametrize(
    "words",
    [
        ("nothing.onnx",),
        ("{policy}", "--episodes", 0),
        ("{policy}", "--seconds", -1),
        ("{policy}", "--seconds", "nan"),
        ("{policy}", "--seed", -1),
        ("{policy}", "--gate", "nothing.toml"),
        ("{policy}", "--nonsense"),
        ("{policy}", "--terrain", "lava"),
        ("{policy}", "--trials", 3),
        ("{policy}", "--films", "films"),
        ("{policy}", "--terrain", "steps", "--suite", "gauntlet"),
        ("pure-pursuit", "--terrain", "steps"),
    ],
)
def test_a_users_mistake_gets_one_line(
    words: tuple[object, ...], trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(*(str(w).format(policy=trained / "policy.onnx") for w in words)) == 2
    assert capsys.readouterr().err.strip().count("\n") == 0


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        (("--seconds", "1e308"), "--seconds is 1e+308 s; it must be above 0 and at most 1e+08 s"),
        (("--seconds", "0.005"), "--seconds 0.005 is shorter than one control period, 0.02 s"),
        (("--episodes", "1000000000000"), "--episodes 1000000000000 takes 25000000.0 GB"),
    ],
)
def test_numbers_that_no_evaluation_can_have_are_refused_by_its_own_options(
    option: tuple[str, str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate("HumanoidVelocity", *option) == 2
    error = capsys.readouterr().err
    assert complaint in error and error.count("\n") == 1


def test_both_engines_play_side_by_side_and_the_gate_is_for_each(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pybullet")
    gate, result = tmp_path / "gate.json", tmp_path / "result.json"
    gate.write_text('{"at_most": {"velocity_error": 0.0}}')
    common = ("--episodes", 2, "--seconds", 0.4, "--gate", gate, "--json", result)
    assert evaluate(trained / "policy.onnx", "--engine", "both", *common) == 1
    printed = capsys.readouterr().out
    for engine in ("mujoco", "bullet"):
        assert f"<= 0 in {engine}" in printed
    document = json.loads(result.read_text())
    mujoco, bullet = (document["engines"][engine] for engine in ("mujoco", "bullet"))
    assert document["result"] == mujoco != bullet
    assert mujoco.keys() == bullet.keys()
    assert bullet["velocity_error"] == pytest.approx(mujoco["velocity_error"], abs=0.2)
    assert evaluate(trained / "policy.onnx", "--engine", "bullet", *common) == 1
    assert json.loads(result.read_text())["result"] == bullet


def test_a_gates_unknown_figure_is_refused_before_anything_is_simulated(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gate, result = tmp_path / "gate.json", tmp_path / "result.json"
    gate.write_text('{"at_least": {"survivl": 0.5}}')
    words = (trained / "policy.onnx", "--gate", gate, "--json", result)
    for more in (("--seconds", 1e5), ("--suite", "gauntlet"), ("--suite", "faults")):
        assert evaluate(*words, *more) == 2
        assert "unknown figure 'survivl'; this evaluation has" in capsys.readouterr().err
    assert not result.exists()


@pytest.mark.parametrize("engine", ["mujoco", pytest.param("bullet", marks=pytest.mark.slow)])
def test_a_humanoid_walks_on_the_terrain_that_is_asked_for(
    engine: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if engine == "bullet":
        pytest.importorskip("pybullet")
    result = tmp_path / "result.json"
    words = (trained / "policy.onnx", "--episodes", 4, "--seconds", 0.3, "--engine", engine)
    words = (*words, "--json", result)
    flat: dict[str, float] = {}
    for terrain in ((), ("slope", "steps", "rough")):
        assert evaluate(*words, *(("--terrain", *terrain) if terrain else ())) == 0
        document = json.loads(result.read_text())
        means = document["engines"][engine]
        if not terrain:
            assert document["terrain"] is None and "terrain_level" not in means
            flat = means
    assert document["terrain"] == ["slope", "steps", "rough"]
    assert 0.0 <= means["terrain_level"] <= 4.0
    assert means["return"] != flat["return"]
    assert "on slope steps rough" in capsys.readouterr().out


def test_terrain_stands_where_the_robots_do() -> None:
    task = find_task("HumanoidVelocity").on_terrain(("steps",))
    world = make_world(task, 4, seconds=0.1, seed=0)
    assert isinstance(task, HumanoidVelocity) and task.terrain.kinds == ("steps",)
    assert isinstance(world.config, HumanoidVelocity)
    assert world.config.terrain.seed != task.terrain.seed  # as no training has seen it
    assert task.on_terrain(()) == find_task("HumanoidVelocity")


class Giving:
    """An actor that lets all robots stand, and then raises what it is given."""

    def __init__(self, world: MeasuredEnv, after: int, error: BaseException) -> None:
        self.actions = np.zeros(world.action_space.shape or (), np.float32)
        self.actions[0, ::2], self.actions[0, 1::2] = 5.0, -5.0  # the first falls
        self.left, self.error = after, error

    def __call__(self, observations: np.ndarray) -> np.ndarray:
        self.left -= 1
        if self.left < 0:
            raise self.error
        return self.actions


def test_episodes_that_ended_before_an_interruption_are_kept() -> None:
    world = make_world(find_task("HumanoidVelocity"), 3, seconds=3.0, seed=0)
    whole = play(world, Giving(world, 1000, KeyboardInterrupt()), seed=0)
    fallen = round(whole.seconds[0] / world.config.control_period)
    with pytest.raises(EpisodesInterrupted) as stop:
        play(world, Giving(world, fallen + 1, KeyboardInterrupt()), seed=0)
    kept = stop.value.episodes
    assert kept.interrupted and not whole.interrupted
    assert "interrupted: " in kept.note and "of 3 episodes had ended" in kept.note
    assert 0 in kept.rows and len(kept.rows) < 3 == kept.planned
    for name, values in kept.figures().items():
        np.testing.assert_array_equal(values, whole.figures()[name][kept.rows])
    with pytest.raises(EpisodesInterrupted) as stop:
        play(world, Giving(world, 0, KeyboardInterrupt()), seed=0)
    assert stop.value.episodes.rows.size == 0
    assert np.isnan(list(stop.value.episodes.summary().values())).all()
