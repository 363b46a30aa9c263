"""Starts: initializers by the names that people type, with both frameworks' words for the same formula."""

from dualnet.errors import SpecError, did_you_mean
from dualnet.specs import initializers as I

STARTS: dict[str, I.Initializer] = {
    "zeros": I.Zeros(),
    "ones": I.Ones(),
    "normal": I.Normal(),
    "uniform": I.Uniform(),
    "truncated_normal": I.TruncatedNormal(),
    "orthogonal": I.Orthogonal(),
    "xavier_uniform": I.XavierUniform(),
    "xavier_normal": I.XavierNormal(),
    "kaiming_uniform": I.KaimingUniform(),
    "kaiming_normal": I.KaimingNormal(),
    "lecun_uniform": I.LecunUniform(),
    "lecun_normal": I.LecunNormal(),
    # Keras cuts its normal draws at two standard deviations.
    "glorot_uniform": I.XavierUniform(),
    "glorot_normal": I.XavierNormal(truncated=True),
    "he_uniform": I.KaimingUniform(),
    "he_normal": I.KaimingNormal(truncated=True),
    "variance_scaling": I.VarianceScaling(),
}


def start(text: str) -> I.Initializer:
    """Return an initializer by name; "normal:0.01" gives the standard deviation, "uniform:0.1" the bound.

    Raises ``SpecError`` for a name or number that cannot be.
    """
    name, _, number = text.partition(":")
    if name not in STARTS:
        known = [*STARTS, *I.PRESETS]
        hint = did_you_mean(name, known) or f" Known: {', '.join(known)}."
        msg = f"There is no initializer {name!r}.{hint}"
        raise SpecError(msg)
    if not number:
        return STARTS[name]
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    if name not in ("normal", "uniform") or not value > 0:
        msg = f"Expected normal:STD or uniform:BOUND with a number above 0. Received: {text!r}"
        raise SpecError(msg)
    return I.Normal(0.0, value) if name == "normal" else I.Uniform(-value, value)
