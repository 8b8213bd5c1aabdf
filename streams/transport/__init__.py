"""A Faust transport in which one message is one batch of records of one partition: `microbatch://HOST:PORT`."""
