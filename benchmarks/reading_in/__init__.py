"""Reading folders in beside the peers: how fast, in how much memory, and what is kept of where a text stands."""
