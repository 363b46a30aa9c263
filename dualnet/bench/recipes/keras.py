"""The recipes of Keras on TensorFlow."""

from dualnet.bench.recipes.row import CONV, DENSE, LIVE, SPECS, Recipe

EVERY = (*SPECS, LIVE)

TABLE = (
    Recipe(
        "model.fit on NumPy",
        "train",
        "train:fit",
        "what tutorials do; whole epochs, from the begin of the first to fit's return: fit waits at each epoch's end",
        role="idiom",
    ),
    Recipe(
        "fit, own Dataset",
        "train",
        "train:fit_dataset",
        "fit at its best: batches gathered by index, autotune off, many steps an execution",
    ),
    Recipe(
        "train_on_batch", "train", "train:on_batch", "a call of Keras for each batch of NumPy", role="live", nets=EVERY
    ),
    Recipe(
        "tf.function step", "train", "train:step", "one compiled step, called from Python on resident data", nets=EVERY
    ),
    Recipe(
        "in-graph loop",
        "train",
        "train:loop",
        "many steps inside one compiled function, plain: the best loop for convolutions",
        best=(CONV,),
    ),
    Recipe(
        "in-graph loop, XLA",
        "train",
        "train:loop_xla",
        "the same by XLA: the best loop for dense nets; on a CPU it is ruinous for convolutions, and not for them",
        best=(DENSE,),
        nets=(DENSE,),
    ),
    Recipe("fixed batch", "train", "train:fixed", "bound: the in-graph loop on one batch, no gather", exact=False),
    Recipe(
        "fixed batch, XLA",
        "train",
        "train:fixed_xla",
        "bound of dense nets: the same by XLA",
        nets=(DENSE,),
        exact=False,
    ),
    Recipe(
        "dualnet", "train", "train:session", "the session's own steps, as `dualnet train` takes them", role="dualnet"
    ),
    Recipe(
        "model.predict", "infer", "infer:predict", "what tutorials do: a loop with callbacks", role="idiom", nets=EVERY
    ),
    Recipe(
        "predict_on_batch", "infer", "infer:predict_on_batch", "the compiled function of predict by itself", nets=EVERY
    ),
    Recipe("model(x)", "infer", "infer:plain", "op by op, from Python", nets=EVERY),
    Recipe(
        "tf.function",
        "infer",
        "infer:compiled",
        "one compiled function: the best call in public",
        best=(DENSE, CONV, LIVE),
        nets=EVERY,
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
