"""Sample files of every dataset, any number of rows, the same bytes for the same seed."""
