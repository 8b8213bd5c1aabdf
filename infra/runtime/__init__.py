"""What every process shares: settings, errors, clock, logs, lifecycle, Kafka clients. Imports nothing of ours."""
