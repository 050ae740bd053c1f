"""Lists the commands: what each is called, where it lives, and what must be installed to use it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Subcommand:
    """Describes a command of the front door.

    Its module has a frozen dataclass `config` with the options and `main(config) -> int`, which
    returns the exit code. Where the defaults depend on the command line, or on what the file of
    --config holds, it has `defaults(options, document, where) -> (config, options)` too: it gets
    the options, the file's content and its name, and returns the options that are left.
    """

    summary: str
    module: str
    config: str  # name of the dataclass in the module
    positional: tuple[str, ...] = ()  # its fields that are given without a flag, in this order
    short: Mapping[str, str] = field(default_factory=dict)  # (GROUP.)FIELD -> its short flag
    writes: tuple[str, ...] = ()  # its fields that name what is written
    leading: str = ""  # what `defaults` takes off the options, as the help calls it
    extra: str = ""  # the optional dependencies that it needs


COMMANDS: dict[str, Subcommand] = {
    "train": Subcommand(
        "train a policy for a task, on the batch simulator",
        "policies.commands.train",
        "TrainConfig",
        writes=("run_dir",),
        leading="TASK",
        extra="train",
    ),
    "eval": Subcommand(
        "evaluate a run or policy over seeded episodes; with --gate, as a check for CI",
        "policies.commands.evaluate",
        "EvaluateConfig",
        positional=("policy",),
        writes=("json", "junit", "report", "films"),
        extra="train",
    ),
    "render": Subcommand(
        "film a run or policy as MP4, GIF or WebP, or several side by side",
        "policies.commands.render",
        "RenderConfig",
        positional=("policy",),
        short={"output": "-o"},
        writes=("output",),
        extra="train",
    ),
    "export": Subcommand(
        "write a run's policy as one self-contained ONNX file",
        "policies.commands.export",
        "ExportConfig",
        positional=("run",),
        short={"output": "-o"},
        writes=("output", "sb3"),
        extra="train",
    ),
    "inspect": Subcommand(
        "show what a policy file needs, and re-run its golden vectors",
        "edge_runtime.policy.inspection",
        "InspectConfig",
        positional=("policy",),
    ),
    "run": Subcommand(
        "drive a robot with a policy file inside the latency budget",
        "edge_runtime.run",
        "RunConfig",
        positional=("policy",),
        short={"canary.on": "--canary"},
        writes=("report", "log", "record"),
        extra="sim",  # for the simulated robot alone
    ),
    "learn": Subcommand(
        "drive a robot, and let it learn on the job: tried, promoted, rolled back",
        "edge_runtime.learning.command",
        "LearnConfig",
        positional=("policy",),
        short={
            "learning.tier": "--tier",
            "learning.kit": "--kit",
            "learning.store.folder": "--store",
            "learning.store.key": "--store-key",
        },
        writes=("report",),
        extra="learn",
    ),
    "rehearse": Subcommand(
        "adapt a policy in simulation to a worn robot, and sign the adapter for it",
        "policies.commands.rehearse",
        "RehearseConfig",
        positional=("policy", "device"),
        short={"output": "-o"},
        writes=("output",),
        extra="train",
    ),
    "adopt": Subcommand(
        "take a signed adapter that a simulation has rehearsed for this robot",
        "edge_runtime.learning.adopt",
        "AdoptConfig",
        positional=("adapter", "policy"),
        short={"output": "-o"},
        writes=("output",),
        extra="learn",
    ),
    "slots": Subcommand(
        "show the policies on a robot's disk, bring a new one, confirm it or go back",
        "edge_runtime.slots.command",
        "SlotsCommandConfig",
        positional=("folder", "action", "policy"),
    ),
    "audit": Subcommand(
        "begin, show, verify or countersign the log of what drove a robot",
        "edge_runtime.audit.command",
        "AuditCommandConfig",
        positional=("action", "log"),
        writes=("write_receipt",),
        extra="audit",
    ),
    "experience": Subcommand(
        "make the key of the experience that a robot learns from; show it or erase it",
        "edge_runtime.experience.command",
        "ExperienceCommandConfig",
        positional=("action", "path"),
        extra="learn",
    ),
    "up": Subcommand(
        "bring a robot up as ROS 2 nodes: simulated or real, estimator, policy and guard",
        "sim2edge_ros.processes.up",
        "UpConfig",
        positional=("robot",),
        writes=("record",),
        extra="ros",
    ),
    "fuse": Subcommand(
        "replay a recorded log through an estimator: errors, a picture, the estimates",
        "edge_runtime.replay.fuse",
        "FuseConfig",
        positional=("log",),
        short={"out": "-o"},
        writes=("out",),
        extra="replay",
    ),
    "urdf": Subcommand(
        "write a robot's URDF for ROS and other engines, and check it against its MJCF",
        "sim.commands.urdf",
        "UrdfConfig",
        positional=("robot",),
        short={"output": "-o"},
        writes=("output",),
        extra="sim",
    ),
    "demo": Subcommand(
        "both robots driven by the edge runtime, and a short training, in ./out",
        "policies.commands.demo",
        "DemoConfig",
        writes=("out",),
        extra="train",
    ),
}
