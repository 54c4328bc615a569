"""What people write, to a ``Verdict``: rules and a classifier over a whole conversation."""
