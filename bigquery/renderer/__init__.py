"""Turns the contract of each dataset into the plain files that the other parts read."""
