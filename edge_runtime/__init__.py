"""Runs policies on the robot."""

import os

# onnxruntime sends telemetry by default on some platforms; this is read when it is imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
