"""Encodes messages, names topics, and runs the threads that receive and publish."""
