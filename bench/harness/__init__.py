"""What bench/run is made of: one module per concern."""
