"""What runs the recipes of Keras on TensorFlow."""
