"""Work on trained runs: evaluation, export."""
