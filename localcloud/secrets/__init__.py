"""Secret Manager on one machine: versions of secrets, read from key files, as Google's API gives them."""
