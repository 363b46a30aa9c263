"""The published data sets: their files, checksums, class names and mirrors."""

from dataclasses import dataclass

from dualnet.errors import DataError, did_you_mean


@dataclass(frozen=True)
class File:
    """One published file, known by its length in bytes and its SHA-256."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Source:
    """A published set: four files, in the order of ``Dataset``, and where they may be had.

    ``folder`` is its name in a data folder and in the Keras cache, ``torchvision`` its folder in torchvision's layout;
    ``mirrors`` are tried in turn.
    """

    name: str
    title: str
    folder: str
    torchvision: str
    mirrors: tuple[str, ...]
    files: tuple[File, File, File, File]
    classes: tuple[str, ...]


FASHION_MNIST = Source(
    name="fashion_mnist",
    title="Fashion-MNIST",
    folder="fashion-mnist",
    torchvision="FashionMNIST/raw",
    mirrors=(
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    files=(
        File(
            "train-images-idx3-ubyte.gz",
            26_421_880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        File(
            "train-labels-idx1-ubyte.gz",
            29_515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
        File(
            "t10k-images-idx3-ubyte.gz",
            4_422_102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        File(
            "t10k-labels-idx1-ubyte.gz",
            5_148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    ),
    classes=(
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
)

MNIST = Source(
    name="mnist",
    title="MNIST",
    folder="mnist",
    torchvision="MNIST/raw",
    mirrors=("https://ossci-datasets.s3.amazonaws.com/mnist/",),
    files=(
        File(
            "train-images-idx3-ubyte.gz",
            9_912_422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        File(
            "train-labels-idx1-ubyte.gz",
            28_881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        File(
            "t10k-images-idx3-ubyte.gz",
            1_648_877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        File(
            "t10k-labels-idx1-ubyte.gz",
            4_542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    ),
    classes=tuple("0123456789"),
)

SOURCES = {source.name: source for source in (FASHION_MNIST, MNIST)}


def published(name: str) -> Source:
    """Return the published set called ``name``; raise DataError for a name that is not known."""
    if name not in SOURCES:
        known = [*SOURCES, "digits"]
        msg = f"Expected a data set out of {', '.join(known)}. Received: {name!r}.{did_you_mean(name, known)}"
        raise DataError(msg)
    return SOURCES[name]
