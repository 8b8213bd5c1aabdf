"""Many events in one body, one JSON object a line: read, checked and encoded by columns, no Python object an event."""
