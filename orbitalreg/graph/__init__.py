"""The dependencies of what repositories show, and what follows from them."""
