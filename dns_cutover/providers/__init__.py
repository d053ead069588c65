"""Where records are written: `interface` and one module per backend."""
