"""Compares each tick with the declared rules, and decides what is sent if one is broken."""
