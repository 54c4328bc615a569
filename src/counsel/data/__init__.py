"""Data: from files of any known format to cleaned, split and audited conversations."""
