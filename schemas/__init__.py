"""What crosses a boundary: Avro schemas, the topic catalogue, the codecs, the compatibility rule."""
