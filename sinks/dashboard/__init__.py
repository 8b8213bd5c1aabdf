"""The dashboard: pages of plain modules that read the query API; served beside it, without state of any viewer."""
