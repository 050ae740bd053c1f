"""Holds the policies beside the one that drives: shadow, promotion, rollback."""
