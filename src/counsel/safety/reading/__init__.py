"""How a text is read, whoever wrote it: letters, spelling, phrases, language. Screening, replies and notices use it."""
