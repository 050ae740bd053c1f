"""Makes tracks, locates vehicles on them, draws them, and computes racing lines."""
