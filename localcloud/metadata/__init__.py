"""The metadata server of a Compute Engine machine, as Google's clients ask it, on this machine."""
