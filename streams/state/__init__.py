"""What a worker knows of one partition: operator state by key, and the snapshots that carry it through a crash."""
