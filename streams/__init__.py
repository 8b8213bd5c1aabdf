"""Stream processing: pure columnar operators, and the Faust application that feeds them micro-batches."""
