"""Makes a local cloud fail on purpose: rules in a file, and the places that obey them. Off by default."""
