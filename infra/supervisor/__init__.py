"""`fleetpulse up`: starts the processes of the whole system, watches and shows them, stops them in the order of the flow."""
