"""What a program that watches an evaluation reads of it."""

import json
import math
from xml.etree import ElementTree

import pytest

from policies.evaluation.ci_result import CiResult, EngineOutcome
from policies.evaluation.gate import Gate

GATE = Gate("gate.toml", {"completed": 0.7, "survival": 0.9}, {"lap_time": 20.0})
GOOD = {"completed": 0.8, "survival": 0.9, "lap_time": 19.5}
HOSTILE = 'a "policy" & <b>\x00\ud800 ]]>.onnx'


def result(
    figures: dict[str, float] = GOOD,
    finished: int = 10,
    gate: Gate | None = GATE,
    policy: str = "walk.onnx",
) -> CiResult:
    engines = {
        "mujoco": EngineOutcome(GOOD, 10, 10),
        "bullet": EngineOutcome(figures, finished, 10, "interrupted" if finished < 10 else ""),
    }
    return CiResult("gauntlet", "VehicleTrack", policy, b"model", engines, gate)


@pytest.mark.parametrize(
    ("figures", "finished", "missed"),
    [
        (GOOD, 10, []),
        (GOOD, 9, []),
        (GOOD | {"completed": 0.69}, 10, ["completed"]),
        (GOOD | {"lap_time": math.nan}, 10, ["lap_time"]),
        (GOOD | {"lap_time": 20.1, "survival": 0.0}, 8, ["survival", "lap_time"]),
        ({}, 0, ["completed", "survival", "lap_time"]),
    ],
)
def test_json_and_junit_name_what_failed(
    figures: dict[str, float], finished: int, missed: list[str]
) -> None:
    judged = result(figures, finished)
    document = json.loads(json.dumps(judged.document(), allow_nan=False))
    assert document["schema_version"] == 1
    assert document["gate"] is (not missed)
    assert document["complete"] is (finished == 10)
    assert document["passed"] is judged.passed is (not missed and finished == 10)
    assert [b["figure"] for b in document["bounds"] if not b["met"]] == missed
    assert {b["engine"] for b in document["bounds"] if not b["met"]} <= {"bullet"}
    assert len(document["bounds"]) == 6
    assert [line.split()[0] for line in document["missed"]] == missed
    assert document["engines"]["mujoco"] == GOOD
    assert document["counts"]["bullet"] == {"finished": finished, "planned": 10}
    versions = document["origin"]["versions"]
    assert {"sim2edge", "torch", "mujoco", "numpy", "onnxruntime", "python"} <= set(versions)
    assert document["origin"]["commit"]
    assert len(document["origin"]["policy_sha256"]) == 64

    root = ElementTree.fromstring(judged.junit())
    assert [suite.get("name") for suite in root] == ["gauntlet in mujoco", "gauntlet in bullet"]
    failed = [case for case in root.iter("testcase") if case.find("failure") is not None]
    assert all(case.get("classname") == "sim2edge.VehicleTrack.bullet" for case in failed)
    names = [str(case.get("name")).split()[0] for case in failed]
    assert names == (["all"] if finished < 10 else []) + missed
    assert root.get("tests") == "8"
    assert root.get("failures") == str(len(failed))


def test_without_a_gate_only_what_is_missing_fails() -> None:
    judged = result(gate=None)
    document = judged.document()
    assert (document["gate"], document["bounds"], document["passed"]) == (None, [], True)
    assert [len(suite.findall("testcase")) for suite in ElementTree.fromstring(judged.junit())] == [
        1,
        1,
    ]
    assert not result(finished=3, gate=None).passed


def test_hostile_names_leave_the_xml_whole() -> None:
    gate = Gate("g", {HOSTILE: 1.0}, {})
    root = ElementTree.fromstring(result(policy=HOSTILE, gate=gate).junit())
    assert any('a "policy" & <b>' in str(case.get("name")) for case in root.iter("testcase"))
    json.dumps(result(policy=HOSTILE, gate=gate).document(), allow_nan=False)
