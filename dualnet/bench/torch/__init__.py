"""What runs the recipes of PyTorch."""
