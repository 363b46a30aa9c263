"""PyTorch: a spec becomes an ``nn.Module``."""

from dualnet.backends.torch.session import TorchBackend

BACKEND = TorchBackend()
