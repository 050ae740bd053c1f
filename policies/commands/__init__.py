"""Holds the commands of the front door that make and judge policies."""
