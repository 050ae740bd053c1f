"""Names bodies, joints and sites of a model in URDF and ROS."""

import re
from dataclasses import dataclass

import mujoco

from sim.urdf.model_robot import WORLD, ModelRobot

BASE = "base_link"  # REP-105
_FOREIGN = re.compile(r"[^A-Za-z0-9_./-]")


@dataclass(frozen=True)
class Change:
    """Describes a name that could not be kept."""

    kind: str  # body, joint or site
    own: str
    given: str


@dataclass(frozen=True)
class Names:
    """Holds the names of links and joints, each unique among its kind.

    A body's link and a joint have the model's name, the root's link is `base_link`. A site is a
    link of its own; if a body has its name, `_frame` is appended. Characters that ROS does not
    allow in a name (spaces, for one) become underscores; an element without a name is named by its
    number.
    """

    link: dict[int, str]  # by body
    between: dict[int, str]  # by joint: the link it moves, if another joint of its body follows
    frame: dict[int, str]  # by site
    root_frame: str  # the root body's own name, "" if its link has it
    joint: dict[int, str]  # by joint
    fixed: dict[str, str]  # name of the joint that fixes a link, by the link
    changes: tuple[Change, ...]


def find_names(model: mujoco.MjModel, robot: ModelRobot) -> Names:
    """Names the parts of a robot, equally for equal models."""
    links, joints = _Given(), _Given()
    bodies = {body: _name(model.body(body).name, "body", body) for body in robot.bodies}
    own = "" if robot.root == WORLD else bodies.pop(robot.root)
    root = own if own and BASE in bodies.values() else BASE
    link = {robot.root: links.give("", root)}
    link |= {body: links.give("body", name) for body, name in bodies.items() if body != WORLD}
    joint = {j: joints.give("joint", _name(model.joint(j).name, "joint", j)) for j in robot.joints}
    named = {site: model.site(site).name for site in robot.sites}
    frame = {s: links.give("site", name, f"{name}_frame") for s, name in named.items() if name}
    root_frame = links.give("", own) if own not in ("", root) else ""
    between = {
        j: links.give("", f"{joint[j]}_link")
        for j, following in zip(robot.joints, robot.joints[1:])
        if model.jnt_bodyid[j] == model.jnt_bodyid[following]
    }
    every = (*link.values(), *frame.values(), root_frame)
    fixed = {name: joints.give("", f"{name}_fixed") for name in every if name}
    return Names(link, between, frame, root_frame, joint, fixed, (*links.changes, *joints.changes))


def _name(own: str, kind: str, number: int) -> str:
    return own or f"{kind}_{number}"


class _Given:
    """Keeps the names given so far, and those that were changed."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self.changes: list[Change] = []

    def give(self, kind: str, name: str, second: str = "") -> str:
        """Returns the name, or the nearest free one: `second`, or one with a number appended.

        A change is recorded under its kind, if it has one.
        """
        clean = _clean(name)
        if clean in self._taken and second:
            clean = _clean(second)
        free, count = clean, 2
        while free in self._taken:
            free, count = f"{clean}_{count}", count + 1
        self._taken.add(free)
        if kind and free != name:
            self.changes.append(Change(kind, name, free))
        return free


def _clean(name: str) -> str:
    return _FOREIGN.sub("_", name).lstrip("/") or "unnamed"
