"""Several processes: who starts the workers, replaces them, and tells them what to serve."""
