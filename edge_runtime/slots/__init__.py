"""Holds the policies of a session: loading, shadow, promotion, rollback."""
