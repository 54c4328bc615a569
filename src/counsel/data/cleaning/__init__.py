"""From rows as they were exported to conversations worth training on, with what is personal masked."""
