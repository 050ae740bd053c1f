"""Builds samples from sensor topics: checks messages, orders them by stamp, and joins them."""
