"""Counsel: from a file of counseling conversations to a small, private, measured counseling model."""

__version__ = "0.1.0"
