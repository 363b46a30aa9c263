"""Every number by which a verdict is drawn, with its reason."""

from dualnet.backends.precision import PRECISIONS

# Two float64 runs of one function differ by rounding: 1e-16 an operation, at most some 1e4 times that through a net of
# ordinary depth and its gradients. The smallest real difference known, a constant that leaked through float32, is 1e-9.
SAME = 1e-10

# Over k optimizer steps rounding grows with the curvature, about tenfold in the nets of the zoo for 200 steps.
SAME_AFTER_STEPS = 1e-9

# Unit roundoffs: half the distance from 1 to the next number.
ROUNDOFF = {name: each.roundoff for name, each in PRECISIONS.items()}

# A value that is zero in exact arithmetic comes out as rounding noise, 2⁻²⁹ ≈ 2e-9 times smaller in float64 than in
# float32; a true value comes out the same. Midway, on a logarithmic scale, lies 4e-5; noise scatters. Noise of 16 bits
# is larger still, and shrinks further.
# The same holds for a gap between two sides that many steps have amplified: rounding shrinks, a difference stays.
SHRINKS_TO = 1e-5

# A side whose float32 run is off by more than this from its own float64 run, and by so many times more than the other
# side is, computes something else in float32 (TF32 keeps 5e-4, bfloat16 4e-3). Two sound ways to write BatchNorm differ
# about tenfold. In 16 bits the same number of roundoffs would be more than all: there half of
# the value is loud, and of the 128 roundoffs of bfloat16 that this is, a quarter is far more than the other side.
LOUD = 1e-4
ALONE = 300.0


def loud(roundoff: float) -> float:
    """Return by how much a side may be off in a precision of that roundoff before one asks whether it is alone."""
    return min(LOUD * roundoff / ROUNDOFF["float32"], 0.5)


def alone(roundoff: float) -> float:
    """Return by how many times a loud side must be off more than the other."""
    return min(ALONE, 0.125 / roundoff)


# A side that a one-ulp change moves by as much as the gap, within this factor, cannot be told from the other side. The
# perturbed run has rounding of its own kind in one place, the other framework in every operation: ten covers that.
NOISE_FACTOR = 10.0

# Overall probability that the initialisation stage blames a correct pair, shared among its tests (Bonferroni).
FALSE_ALARM = 1e-3

# Accuracies count as equivalent within this margin, half of a percentage point: about the spread that the choice of a
# seed alone gives to the course's networks on Fashion-MNIST (0.3 to 0.5 points).
ACCURACY_MARGIN = 0.005

# Trainings are compared with a run whose start is √steps ulps off: as far as rounding anew at each step wanders. Both
# are draws of one noise whose tail is heavy (a ReLU that switches on one example is an event, not a drift). Over six
# seeds of the course's network the sides' gap was 0.0003 to 0.2 of that run's, and a learning rate off by 1 % made 4
# to 22 times it: three parts them.
CURVE_FACTOR = 3.0

# A single such switch moves the loss by up to 1e-5 of itself in float32, 170 roundoffs, and may happen on one side
# only. Real differences as small as that are for the stages in float64 to find.
CURVE_FLOOR = {name: min(1e-5 * each / ROUNDOFF["float32"], 0.1) for name, each in ROUNDOFF.items()} | {
    "float64": 1e-12
}

# A training whose loss such a run parts from by more than this share amplifies rounding a thousand times and more:
# accuracies that it ends in say nothing about the program.
CHAOTIC = 1e-3

# Confidence of the two one-sided tests of equivalence (Schuirmann 1987).
CONFIDENCE = 0.95
