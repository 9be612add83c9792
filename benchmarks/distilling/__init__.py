"""A made-up world, a small language model that reads it, and what distilling the world into adapters is worth."""
