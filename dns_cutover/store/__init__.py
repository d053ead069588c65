"""Where runs are remembered: `interface` and one module per backend."""
