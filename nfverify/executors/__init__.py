"""Where independent pieces of work run: in this process, in others, on a cluster."""
