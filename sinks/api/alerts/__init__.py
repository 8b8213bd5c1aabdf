"""Alerts in the API: what fires and orders through a child process, history from the lake, the file of rules."""
