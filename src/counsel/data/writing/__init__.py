"""A prepared directory: its files, its planted secrets, and that it appears whole or not at all."""
