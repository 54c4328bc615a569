"""A prepared directory: its files and its planted secrets. It appears whole or not at all."""
