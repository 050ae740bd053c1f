"""Says how an evaluation went to the programs that watch it: as JSON and as JUnit XML."""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from policies.evaluation.gate import Bound, Gate
from policies.train.provenance import describe_origin

SCHEMA_VERSION = 1
"""The JSON grows by new keys alone; a new version says that a key has changed its meaning."""
_NOT_IN_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class EngineOutcome:
    """Holds what was measured in one engine."""

    means: Mapping[str, float]
    finished: int  # episodes or trials
    planned: int
    note: str = ""


@dataclass(frozen=True)
class CiResult:
    """Holds an evaluation's outcome, and judges it.

    Args:
        name: the name of the suite, or "episodes".
        task: its name.
        policy: where it was read from.
        model: the policy file, as it was read; None for a driver that is no policy.
        engines: the outcome in each.
        gate: what is asked for; None for nothing.
    """

    name: str
    task: str
    policy: str
    model: bytes | None
    engines: Mapping[str, EngineOutcome]
    gate: Gate | None

    @cached_property
    def bounds(self) -> tuple[Bound, ...]:
        """Returns the gate's bounds, each with what was reached of it."""
        means = {engine: of.means for engine, of in self.engines.items()}
        return self.gate.judge(means) if self.gate else ()

    @property
    def complete(self) -> bool:
        """Returns whether all that was planned has finished."""
        return all(of.finished >= of.planned for of in self.engines.values())

    @property
    def passed(self) -> bool:
        """Returns whether all has finished, and every bound is met."""
        return self.complete and all(bound.met for bound in self.bounds)

    def lines(self) -> list[str]:
        """Returns a line for each bound, which names the engine where there are several."""
        several = len(self.engines) > 1
        return [f"{bound} in {bound.engine}" if several else str(bound) for bound in self.bounds]

    @cached_property
    def _origin(self) -> dict[str, Any]:
        """Returns the commit, versions, hardware and command of this evaluation."""
        digest = hashlib.sha256(self.model).hexdigest() if self.model is not None else None
        return {**describe_origin(), "policy_sha256": digest}

    def document(self) -> dict[str, Any]:
        """Returns what the JSON of every evaluation has; a figure that nothing has is null."""
        return {
            "schema_version": SCHEMA_VERSION,
            "gate": all(bound.met for bound in self.bounds) if self.gate else None,
            "bounds": [
                {
                    "figure": bound.figure,
                    "engine": bound.engine,
                    "kind": "at_least" if bound.at_least else "at_most",
                    "bound": bound.bound,
                    "measured": finite(bound.measured),
                    "margin": finite(bound.margin),
                    "met": bound.met,
                }
                for bound in self.bounds
            ],
            "missed": [
                str(bound).removeprefix("missed ") for bound in self.bounds if not bound.met
            ],
            "complete": self.complete,
            "passed": self.passed,
            "engines": {
                engine: {name: finite(mean) for name, mean in of.means.items()}
                for engine, of in self.engines.items()
            },
            "counts": {
                engine: {"finished": of.finished, "planned": of.planned}
                for engine, of in self.engines.items()
            },
            "origin": self._origin,
        }

    def junit(self) -> str:
        """Returns JUnit XML: a suite for each engine, with a case for each bound and one that all
        planned trials have finished."""
        root = Element("testsuites", name="sim2edge eval")
        for engine, of in self.engines.items():
            self._add_suite(root, engine, of)
        for count in ("tests", "failures"):
            root.set(count, str(sum(int(suite.get(count, 0)) for suite in root)))
        indent(root)
        return tostring(root, encoding="unicode", xml_declaration=True) + "\n"

    def _add_suite(self, root: Element, engine: str, of: EngineOutcome) -> None:
        suite = SubElement(root, "testsuite", name=_clean(f"{self.name} in {engine}"))
        facts = {"policy": self.policy, "task": self.task, **self._origin, "note": of.note}
        properties = SubElement(suite, "properties")
        for name, value in facts.items():
            if value:
                text = value if isinstance(value, str) else json.dumps(value)
                SubElement(properties, "property", name=name, value=_clean(text))
        for name, mean in of.means.items():
            SubElement(properties, "property", name=_clean(name), value=f"{mean:.6g}")
        short = f"{of.finished} of {of.planned}" if of.finished < of.planned else ""
        cases = [(f"all {of.planned} have finished", short and f"{short} finished; {of.note}")]
        for bound in self.bounds:
            if bound.engine == engine:
                missed = "" if bound.met else _how_far(bound)
                cases.append((f"{bound.figure} {bound.sign} {bound.bound:g}", missed))
        for name, message in cases:
            place = {"classname": _clean(f"sim2edge.{self.task}.{engine}"), "name": _clean(name)}
            case = SubElement(suite, "testcase", place, time="0")
            if message:
                SubElement(case, "failure", message=_clean(message))
        suite.set("tests", str(len(cases)))
        suite.set("failures", str(sum(bool(message) for _, message in cases)))
        suite.set("errors", "0")
        suite.set("skipped", "0")
        now = datetime.now(timezone.utc)
        suite.set("timestamp", now.isoformat(timespec="seconds").removesuffix("+00:00"))


def _how_far(bound: Bound) -> str:
    if math.isnan(bound.measured):
        return f"{bound.figure} was not measured"
    return f"{bound.figure} is {bound.measured:.4g}, {-bound.margin:.4g} off its bound"


def finite(value: float) -> float | None:
    """Returns the number, or None for one that JSON does not have."""
    return float(value) if math.isfinite(value) else None


def _clean(text: str) -> str:
    return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)
