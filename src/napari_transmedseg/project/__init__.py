"""Projects on disk: cohort, annotation, ledger, runs, predictions and export."""
