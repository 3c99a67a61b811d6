"""The measuring harness: Basalt over HTTP beside its peers in-process, on the same data, in one run."""
