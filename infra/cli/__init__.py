"""The command line `fleetpulse`: commands are found by entry point and loaded when called."""
