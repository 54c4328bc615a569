"""From files of any known format to rows, each with its place, and a broken one with its reason."""
