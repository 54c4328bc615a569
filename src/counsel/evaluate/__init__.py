"""Evaluation: scorers over a run, with intervals, and the report."""
