"""OpenTelemetry's export requests (traces, metrics, logs) as events of ours: a pure mapping, no clock, no I/O.

`producers.otlp.decode` reads a body, `producers.otlp.export` maps it. docs/otlp.md says what becomes what, ADR 33 why.
"""
