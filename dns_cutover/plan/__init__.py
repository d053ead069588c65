"""What the engineer wrote: models, the loader with positions, variables, the schema."""
