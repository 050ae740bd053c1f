"""Reports how a run kept its budget."""
