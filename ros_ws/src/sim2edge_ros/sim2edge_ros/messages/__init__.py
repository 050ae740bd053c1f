"""Encodes and decodes messages, names their topics, and runs the threads that receive and send
them."""
