"""Holds the front door's commands about robot models."""
