"""`fleetpulse bench streams`: this pipeline against stock Faust, a loop written by hand, and the bare consumer."""
