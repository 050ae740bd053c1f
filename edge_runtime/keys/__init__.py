"""Keeps secret keys in files of their own."""
