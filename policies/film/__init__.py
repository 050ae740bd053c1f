"""Films a policy as MP4, with captions."""
