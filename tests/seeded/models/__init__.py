"""Models: each page one network, written by hand for PyTorch and for Keras, with what is needed to train both."""
