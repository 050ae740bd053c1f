"""Films a policy as MP4, GIF or WebP, with captions."""
