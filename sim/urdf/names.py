"""What bodies, joints and sites of a model are called in URDF and in ROS."""

import re
from dataclasses import dataclass

import mujoco

from sim.urdf.robot import WORLD, ModelRobot

BASE = "base_link"  # REP-105
_FOREIGN = re.compile(r"[^A-Za-z0-9_./-]")


@dataclass(frozen=True)
class Change:
    """A name that could not be kept."""

    kind: str  # body, joint or site
    own: str
    given: str


@dataclass(frozen=True)
class Names:
    """The names of links and joints, each given once among its kind.

    A body's link and a joint are called as in the model, the root's link `base_link`. A site is
    a link of its own; if a body has its name, it gets `_frame` behind it. What ROS cannot take in
    a name (spaces, for one) becomes an underscore; what has no name is called by its number.
    """

    link: dict[int, str]  # by body
    between: dict[int, str]  # by joint: the link it moves, if another joint of its body follows
    frame: dict[int, str]  # by site
    root_frame: str  # the root body's own name, "" if its link has it
    joint: dict[int, str]  # by joint
    fixed: dict[str, str]  # of the joint that fixes a link, by the link
    changes: tuple[Change, ...]


def find_names(model: mujoco.MjModel, robot: ModelRobot) -> Names:
    """The names of a robot's parts, the same for the same model."""
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
    """Names that were given so far, and those that could not be kept."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self.changes: list[Change] = []

    def give(self, kind: str, name: str, second: str = "") -> str:
        """The name, or the nearest that is free: `second`, or one with a number behind it.

        A change is kept under its kind, if it has one.
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
