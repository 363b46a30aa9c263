"""A run of ten results made by hand, of the size and kinds that real experiments give."""

import numpy as np
from numpy.typing import NDArray

from dualnet.report import exhibits as E
from dualnet.report.result import Result

CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
SIDES = ("torch", "keras")
DRAW = np.random.default_rng(0)


def run() -> list[Result]:
    """Return ten results, six hundred pictures among them."""
    return [
        curves(),
        sweep(),
        weights(),
        confusion(),
        saliency(),
        distillation(),
        benchmark(),
        layers(),
        odd(),
        large(),
    ]


def noisy(start: float, end: float, steps: int = 2400) -> NDArray[np.float64]:
    """Return a learning curve."""
    falls = (start - end) * np.exp(-np.arange(steps) / (steps / 8)) + end
    return falls * np.exp(0.09 * DRAW.normal(size=steps))


def curves() -> Result:
    steps = E.numbers(range(1, 2401))
    torch = noisy(2.3, 0.31)
    keras = torch * (1 + 2e-3 * DRAW.normal(size=2400) * np.linspace(0, 1, 2400))
    loss = tuple(
        E.Series(s, steps, E.numbers(y), dashed=s == "keras") for s, y in zip(SIDES, (torch, keras), strict=True)
    )
    epochs = E.numbers(range(1, 11))
    scores = []
    for colour, part in enumerate(("train", "test")):
        for side in SIDES:
            y = 91 - 2 * colour - 14 * np.exp(-np.arange(10) / 2) + 0.2 * DRAW.normal(size=10)
            band = (E.numbers(y - 0.8), E.numbers(y + 0.8))
            scores.append(E.Series(f"{side}, {part}", epochs, E.numbers(y), *band, colour, side == "keras"))
    shown: list[E.Exhibit] = [
        E.Lines("Training loss", "step", "loss", loss, "y"),
        E.Lines("Accuracy", "epoch", "accuracy, %", tuple(scores), note="Bands: one standard deviation over 5 seeds."),
    ]
    says = ["Both sides reach 88.9 % on the test images after ten epochs; the largest gap of the loss is 0.4 %."]
    made = Result("curves", "Learning curves of fashion_mlp", says, shown, verdict="rounding")
    made.source = "Fashion-MNIST, 60,000 train / 10,000 test"
    made.settings = {"epochs": 10, "optimizer": {"op": "Adam", "learning_rate": 0.001}, "seeds": [0, 1, 2, 3, 4]}
    made.environment = {
        "date": "2025-03-01T12:00:00+00:00",
        "python": "3.11.9",
        "torch": {"version": "2.6", "threads": 1},
    }
    return made


def sweep() -> Result:
    rates = E.numbers(10.0 ** np.linspace(-4, 0, 9))
    series = []
    for colour, name in enumerate(("SGD", "Momentum", "Adam", "RMSprop", "AdamW")):
        for side in SIDES:
            y = 0.3 + 0.5 * (np.log10(rates) + 3 - colour * 0.4) ** 2 / 4 + 0.01 * DRAW.normal(size=9)
            y[-1] = np.nan if colour > 2 else y[-1]
            series.append(E.Series(f"{name}, {side}", rates, E.numbers(y), colour=colour, dashed=side == "keras"))
    rows = tuple(
        (
            f"{name}",
            f"{rate:.1e}",
            f"{80 + 9 * DRAW.random():.2f} %",
            f"{DRAW.random() * 1e-6:.1e}",
            "-" if at % 7 == 3 else f"{DRAW.integers(1, 9000):,}",
            "diverged in the first epoch, so that nothing was left to compare on either side" if at % 9 == 4 else "",
        )
        for at, (name, rate) in enumerate(
            (n, r) for n in ("SGD", "Momentum", "Adam", "RMSprop", "AdamW", "AdaGrad") for r in rates[:5]
        )
    )
    table = E.Table(
        "All runs",
        ("optimizer", "rate", "test accuracy", "gap", "steps", "remark"),
        rows,
        "A dash: the run did not end.",
    )
    lines = E.Lines("Loss by learning rate", "learning rate", "loss", tuple(series), "xy")
    return Result("sweep", "Learning rates", ["Adam is best at 1e-3."], [lines, table], verdict="equal")


def weights() -> Result:
    edges = np.linspace(-3, 3, 41)
    centres = (edges[1:] + edges[:-1]) / 2
    shown: list[E.Exhibit] = []
    for name in ("KaimingNormal", "XavierNormal", "TruncatedNormal"):
        draws = [np.histogram(DRAW.normal(size=6000), edges, density=True)[0] for _ in SIDES]
        groups = tuple(E.Group(s, E.numbers(d), dashed=s == "keras") for s, d in zip(SIDES, draws, strict=True))
        theory = E.numbers(np.exp(-(centres**2) / 2) / np.sqrt(2 * np.pi))
        shown.append(E.Histogram(name, "weight / standard deviation", E.numbers(edges), groups, theory))
    return Result("weights", "Weights at the start", ["p = 0.31 and 0.44 against theory."], shown, verdict="equal")


def confusion() -> Result:
    shown: list[E.Exhibit] = []
    for side in SIDES:
        values = DRAW.poisson(12, (10, 10)) + np.diag(DRAW.integers(780, 950, 10))
        rows = tuple(E.numbers(row) for row in values)
        shown.append(E.Matrix(f"Confusion, {side}", CLASSES, CLASSES, rows, "predicted", "true"))
    return Result("confusion", "What is taken for what", ["Shirts are taken for T-shirts."], shown)


def image(at: int) -> NDArray[np.float64]:
    """Return a picture (28, 28) of some blobs."""
    y, x = np.mgrid[:28, :28]
    spots = np.random.default_rng(at).uniform(5, 23, (4, 2))
    found: NDArray[np.float64] = sum(
        (np.exp(-((x - a) ** 2 + (y - b) ** 2) / 12) for a, b in spots), np.zeros((28, 28))
    )
    return found


def saliency() -> Result:
    shown: list[E.Exhibit] = []
    for turn in range(7):
        cells = []
        for row in range(10):
            base = image(10 * turn + row)
            line: list[E.Picture | None] = [E.picture(base, "grey", CLASSES[row])]
            for column in range(8):
                noise = base * DRAW.normal(size=(28, 28))
                caption = f"{DRAW.random():.2f}" if column % 4 == 0 else ""
                line.append(
                    E.picture(np.abs(noise) if column < 4 else noise, "heat" if column < 4 else "signed", caption)
                )
            cells.append(tuple(line))
        kinds = ("vanilla", "smooth", "integrated", "guided")
        columns = ("input", *(f"{kind}, {side}" for side in SIDES for kind in kinds))
        shown.append(E.Pictures(f"Saliency of ten images, {turn + 1}", CLASSES, columns, tuple(cells)))
    return Result("saliency", "Where the network looks", ["Maps agree to 3.6e-07."], shown, verdict="rounding")


def distillation() -> Result:
    roles = ("teacher", "student alone", "student distilled")
    base = np.array([89.1, 85.4, 86.2])
    groups = []
    for side in SIDES:
        y = base + 0.2 * DRAW.normal(size=3)
        groups.append(E.Group(side, E.numbers(y), E.numbers(y - 0.6), E.numbers(y + 0.6), dashed=side == "keras"))
    soft = []
    for colour, heat in enumerate((1, 4, 10)):
        for side in SIDES:
            share = np.exp(np.array([1, 0, 2, 1, 3, 0, 9, 0, 2, 1]) / heat)
            soft.append(
                E.Group(f"{side}, T={heat}", E.numbers(share / share.sum()), colour=colour, dashed=side == "keras")
            )
    shown: list[E.Exhibit] = [
        E.Bars(
            "Test accuracy by role", roles, "test accuracy, %", tuple(groups), note="Bars: 95 % intervals, 5 seeds."
        ),
        E.Bars("Softened targets of one shirt", CLASSES, "probability", tuple(soft), 6),
    ]
    return Result("distillation", "A teacher distilled", ["Distilled 86.2 %, alone 85.4 %."], shown, verdict="equal")


def benchmark() -> Result:
    rows = tuple(
        (f"{op} {size}", f"{DRAW.random() * 10:.2f} ms", f"{DRAW.random() * 10:.2f} ms", f"×{DRAW.random() + 0.5:.2f}")
        for op in ("Conv2d", "Linear", "BatchNorm2d")
        for size in (32, 64, 128)
    )
    return Result(
        "benchmark", "How long a step takes", [], [E.Table("Seconds", ("op", "torch", "keras", "ratio"), rows)]
    )


def layers() -> Result:
    names = tuple(f"stage{at // 6 + 1}.block{at % 6 // 3 + 1}.{('conv', 'norm', 'relu')[at % 3]}" for at in range(48))
    x = E.numbers(range(48))
    narrow = E.numbers([0 if at == 0 else 3e-8 * 1.07**at for at in range(48)])
    exact = E.numbers([0 if at == 0 else 6e-17 * 1.07**at for at in range(48)])
    series = (E.Series("float32 gap", x, narrow), E.Series("float64 gap", x, exact, colour=1))
    shown = E.Lines("Outputs, layer by layer", "", "relative gap", series, "y", names=names)
    table = E.Table(
        "Verdicts", ("stage", "verdict"), (("forward", "equal"), ("step", "divergent"), ("state", "not checked"))
    )
    return Result(
        "layers", "Layer by layer in a deep net", ["first at stage3.block1.norm."], [shown, table], verdict="divergent"
    )


def odd() -> Result:
    """Return what no one draws on purpose: nothing, NaN, text that would be markup."""
    evil = "<script>document.title = 'owned'</script><img src=x onerror=\"document.title='owned'\">"
    nan = float("nan")
    shown: list[E.Exhibit] = [
        E.Lines(evil, evil, evil, (E.Series(evil, (0.0, 1.0), (nan, 2.0)), E.Series(r"$\frac{$ $\no$", (), ())), "y"),
        E.Bars("No bars", (), "", ()),
        E.Bars("Below zero", ("a", "b"), "y", (E.Group("g", (-1.0, nan)),)),
        E.Histogram("No bins", "", (), (E.Group("g", ()),)),
        E.Table(evil, (evil, "b"), ((evil, "x" * 300),), evil),
        E.Pictures("Nothing", (evil,), (evil,), ((None, E.Picture(((nan,),), "signed", evil)),)),
    ]
    return Result("odd", evil, [evil], shown, {}, evil, evil, {evil: evil}, {"x": evil})


def large() -> Result:
    """Return a curve of a hundred thousand steps with one spike, and a matrix too large for numbers."""
    steps = 100_000
    y = np.full(steps, 0.5)
    y[54_321] = 9.0
    spike = E.Lines("One spike", "step", "loss", (E.Series("torch", E.numbers(range(steps)), E.numbers(y)),))
    names = tuple(str(at) for at in range(100))
    matrix = E.Matrix(
        "A hundred classes", names, names, tuple(E.numbers(row) for row in np.eye(100)), "predicted", "true"
    )
    return Result("large", "More than a screen can show", [], [spike, matrix])
