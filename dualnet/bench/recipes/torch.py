"""The recipes of PyTorch."""

from dualnet.bench.recipes.row import CONV, DENSE, LIVE, SPECS, Recipe

EVERY = (*SPECS, LIVE)

TABLE = (
    Recipe(
        "DataLoader idiom",
        "train",
        "train:loader_of_images",
        "what tutorials do: each image out of PIL, scaled by itself, collated by a DataLoader",
        role="idiom",
        images=True,
    ),
    Recipe(
        "TensorDataset + DataLoader",
        "train",
        "train:loader_of_tensors",
        "the same without PIL: an indexing and a collation for each example",
        role="idiom",
    ),
    Recipe("resident", "train", "train:resident", "data on the device, one gather a batch", role="live", nets=EVERY),
    Recipe(
        "resident, fused",
        "train",
        "train:resident_fused",
        "one kernel for the whole update: the best plain loop for dense nets",
        best=(DENSE,),
    ),
    Recipe(
        "resident, channels_last",
        "train",
        "train:resident_last",
        "images (N, H, W, C) in memory, fused update: the best plain loop for convolutions, whose pools are faster so",
        best=(CONV,),
        nets=(CONV,),
    ),
    Recipe(
        "fixed batch",
        "train",
        "train:fixed",
        "bound: no gather at all, one batch over and over, fused update",
        exact=False,
    ),
    Recipe(
        "fixed batch, channels_last",
        "train",
        "train:fixed_last",
        "bound of convolutions: no gather at all",
        nets=(CONV,),
        exact=False,
    ),
    Recipe(
        "dualnet", "train", "train:session", "the session's own steps, as `dualnet train` takes them", role="dualnet"
    ),
    Recipe("model(x)", "infer", "infer:plain", "what beginners do: autograd records a graph", role="idiom", nets=EVERY),
    Recipe(
        "inference_mode",
        "infer",
        "infer:inference_mode",
        "no graph: the best plain call for dense nets",
        best=(DENSE, LIVE),
        nets=EVERY,
    ),
    Recipe(
        "channels_last",
        "infer",
        "infer:channels_last",
        "inference_mode on images (N, H, W, C) in memory: the best plain call for convolutions",
        best=(CONV,),
        nets=(CONV,),
    ),
    Recipe("dualnet", "infer", "infer:predictor", "dualnet.predictor: NumPy in, NumPy out", role="dualnet", nets=EVERY),
    Recipe(
        "emitted source",
        "build",
        "make:emitted",
        "the net as a person would write it: `dualnet emit`, its build() called",
        role="idiom",
    ),
    Recipe("dualnet", "build", "make:own_start", "dualnet.build(spec, seed=None)", role="dualnet"),
    Recipe(
        "dualnet, shared draws", "build", "make:shared_start", "dualnet.build(spec), started alike in both frameworks"
    ),
    Recipe("live", "build", "make:live", "the file run, and its class or function called", role="idiom", nets=(LIVE,)),
)
