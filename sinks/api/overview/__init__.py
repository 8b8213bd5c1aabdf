"""The fleet at a glance: counts that memory knows, and what the lake is asked for beside, once for everybody."""
