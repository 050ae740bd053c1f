"""The picture of the latencies fits its page, in light and dark."""

import re
from xml.etree import ElementTree

from edge_runtime.fusion.attitude.fusion import AttitudeFusion
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.policy.inference import Policy
from edge_runtime.report.latency_picture import latency_svg
from tests.edge_runtime.leg import BURST, LegRobot, make_contract, make_model


def test_it_is_as_wide_as_the_page_and_follows_its_scheme() -> None:
    policy = Policy(make_model(make_contract()))
    loop = ControlLoop(policy, LegRobot(), AttitudeFusion(0.02, BURST))
    for stage in loop.budget.stages:
        stage.record(300_000)
    text = latency_svg(loop)
    assert ElementTree.fromstring(text).get("viewBox")
    assert "max-width: 100%" in text
    light, _, dark = text.partition("@media (prefers-color-scheme: dark)")
    for name in set(re.findall(r'class="(\w+)"', text)):
        assert f".{name} {{" in light and f".{name} {{" in dark
