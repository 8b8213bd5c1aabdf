"""Saved views: questions and filters that people keep, for themselves or for everybody of their tenant."""
