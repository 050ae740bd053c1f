"""Reports whether a run kept its budget and its rules."""
