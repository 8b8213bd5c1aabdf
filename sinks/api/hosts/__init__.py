"""Hosts: what their probes measured, and the agents that run on them."""
