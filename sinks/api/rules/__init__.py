"""The rules in the API: what is in force, whether a text could be, and what it would have raised."""
