"""Loads the policies that come with the package, which most benchmarks measure."""

from importlib.resources import as_file, files

from policies.export.policy_file import PolicyFile


def committed_policy(task: str) -> PolicyFile:
    """Returns the policy that comes with the package for a task."""
    with as_file(files("assets").joinpath(f"policies/{task}.onnx")) as path:
        return PolicyFile.find(path)
