"""Learns low-rank adapters beside a policy's frozen actor, and merges them into a policy file."""
