"""The control room: one module for each edge, one for each page."""
