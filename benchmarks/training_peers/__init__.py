"""What ``benchmarks/training.py`` is made of: contenders, peers, the product's own runs, the machine, the table."""
