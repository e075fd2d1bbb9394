"""What each subcommand of `landfall` does, one module a subject."""
