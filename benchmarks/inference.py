"""Inference: compiled specs against the same nets by hand, and dualnet's predict against Keras's."""

from cases import Case, benched, between, main, pair
from nets import CNN, MLP
from training import NETS, shape_of

CALLS = {"torch": "inference_mode", "keras": "tf.function"}

CASES = (
    *(
        Case(
            f"Keras inference, batch 1: {spec.name}",
            "model.predict",
            between(
                "keras: dualnet",
                "keras: model.predict",
                benched(spec, ("model.predict", "dualnet"), "infer", batches=(1,)),
                "infer",
            ),
            50,
            120,
        )
        for spec in (MLP, CNN)
    ),
    *(
        Case(
            f"compiled spec, inference: {net}, {framework}",
            "the same net by hand",
            between(
                f"left: {CALLS[framework]}",
                f"right: {CALLS[framework]}",
                pair(framework, net, shape_of(framework, shape), batch),
                "infer",
            ),
            0.95,
            1.0,
        )
        for framework in CALLS
        for net, shape, batch in NETS
    ),
)

if __name__ == "__main__":
    main(CASES)
