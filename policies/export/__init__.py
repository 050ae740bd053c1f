"""Exports a trained policy as one self-contained ONNX file with its contract."""
