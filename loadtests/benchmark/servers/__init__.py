"""The servers that are measured: the reference relay and its peers, each in a module of its own."""
