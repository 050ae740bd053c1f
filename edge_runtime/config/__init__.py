"""Declares settings once, checks them, and reads and writes them as JSON and TOML."""
