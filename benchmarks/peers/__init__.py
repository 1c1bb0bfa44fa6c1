"""Scripts that drive the peers. They run in the peers' own environment and never import the package."""
