"""Records what each tick read, estimated, wanted and sent in a log file."""
