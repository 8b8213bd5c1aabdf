"""Measure the production operators against labelled data and simulated fleets: `fleetpulse eval ...`."""
