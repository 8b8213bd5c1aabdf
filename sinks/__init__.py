"""Where events go: the Parquet lake with its SQL and ledger, notifiers, reports."""
