"""The report: what a run's files say, the sentences that follow from it, and the page that shows it."""
