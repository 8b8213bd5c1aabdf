"""Which alerts a pack of rules would have raised on what the lake holds, against those that were raised."""
