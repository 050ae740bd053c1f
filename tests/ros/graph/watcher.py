"""Watches what a robot and its edge node publish."""

import math
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from nav_msgs.msg import Odometry
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue, SetParametersResult
from rcl_interfaces.srv import SetParameters
from std_srvs.srv import Trigger

from sim2edge_ros.messages import topics
from tests.ros.graph.ros_graph import Probe

TRUTH = "ground_truth/odometry"


class Watcher(Probe):
    """Receives what a robot and its edge node publish."""

    def __init__(self, node: Any, namespace: str = "") -> None:
        super().__init__(node)
        self.prefix = f"/{namespace}/" if namespace else "/"
        self.subscribe(self.prefix + TRUTH, Odometry)
        self.subscribe("/diagnostics", DiagnosticArray)
        self.subscribe(self.prefix + "edge_node/status", DiagnosticStatus, topics.LATCHED)

    @property
    def time(self) -> float:
        received = self.received[self.prefix + TRUTH]
        stamp = received[-1].header.stamp if received else None
        return -math.inf if stamp is None else stamp.sec + stamp.nanosec * 1e-9

    @property
    def speed(self) -> float:
        return float(self.last(self.prefix + TRUTH).twist.twist.linear.x)

    def said(self, what: str) -> bool:
        return any(what in m.message for m in self.received[self.prefix + "edge_node/status"])

    def part(self, name: str) -> DiagnosticStatus | None:
        """The newest diagnostics of a part of the edge node."""
        for message in reversed(self.received["/diagnostics"]):
            for status in message.status:
                if status.name == f"{self.prefix}edge_node: {name}".lstrip("/"):
                    return status
        return None

    def value(self, part: str, key: str) -> str:
        status = self.part(part)
        values = {} if status is None else {v.key: v.value for v in status.values}
        return str(values.get(key, ""))

    def drives(self, seconds: float) -> None:
        self.until(lambda: self.time > -math.inf, "the truth is published")
        until = self.time + seconds
        self.until(lambda: self.time > until, f"{seconds} s pass")

    def try_to_set(self, name: str, value: str | bool) -> SetParametersResult:
        if isinstance(value, bool):
            content = ParameterValue(type=ParameterType.PARAMETER_BOOL, bool_value=value)
        else:
            content = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=value)
        parameter = Parameter(name=name, value=content)
        request = SetParameters.Request(parameters=[parameter])
        answer = self.call(f"{self.prefix}edge_node/set_parameters", SetParameters, request)
        return answer.results[0]

    def set(self, name: str, value: str) -> None:
        assert self.try_to_set(name, value).successful

    def ask(self, service: str, candidate: Path | None = None) -> Any:
        """Call one of the edge node's services."""
        if candidate is not None:
            self.set("candidate", str(candidate))
        return self.call(f"{self.prefix}edge_node/{service}", Trigger)
