"""What a training run is told, what it derives, and the presets that ship."""
