"""The table of cases of noise, scales, products and moves."""

from dualnet import specs as S
from tests.cases import FEATURES, IMAGE, SEQUENCE, case, everywhere, image

everywhere(
    alpha_dropout=S.AlphaDropout(0.3),
    alpha_dropout_none=S.AlphaDropout(0.0),
    feature_alpha_dropout=S.FeatureAlphaDropout(0.4),
    feature_alpha_dropout_half=S.FeatureAlphaDropout(),
    gaussian_noise=S.GaussianNoise(),
    gaussian_noise_loud=S.GaussianNoise(2.5),
    gaussian_noise_none=S.GaussianNoise(0.0),
    gaussian_dropout=S.GaussianDropout(),
    gaussian_dropout_little=S.GaussianDropout(0.1),
    gaussian_dropout_none=S.GaussianDropout(0.0),
    rrelu=S.RReLU(),
    rrelu_odd=S.RReLU(-0.5, 0.9),
    rrelu_one=S.RReLU(0.2, 0.2),
    prelu=S.PReLU(),
    prelu_channels=S.PReLU("channels"),
    prelu_entries=S.PReLU("entries"),
    glu=S.GLU(1),
    softmin=S.Softmin(),
    rms=S.RMSNorm(),
    rms_epsilon=S.RMSNorm(epsilon=0.1),
    rms_bare=S.RMSNorm(epsilon=1e-6, affine=False),
    unit=S.UnitNormalization(),
    unit_wide=S.UnitNormalization(epsilon=3.0),
    normalization=S.Normalization([0.3], [2.0]),
    normalization_inverse=S.Normalization([0.3], [0.0], invert=True),
    rescaling=S.Rescaling(0.1, 0.3),
    rescaling_plain=S.Rescaling(-2.5),
)
case("prelu_fixed", FEATURES, S.PReLU(trainable=False), S.Linear(3))
case("prelu_shared", IMAGE, S.PReLU("channels", name="a"), S.Conv2d(4, 3, padding=1), S.Shared("a"))
case("noise_then_flatten", IMAGE, S.Flatten(), S.GaussianNoise(0.5), S.RReLU(), S.AlphaDropout(0.3), S.Linear(3))
case("noise_shared", FEATURES, S.GaussianDropout(0.3, name="a"), S.Tanh(), S.Shared("a"))
image(
    glu_3=S.GLU(3),
    softmin_1=S.Softmin(1),
    rms_2=S.RMSNorm(2),
    rms_3=S.RMSNorm(3),
    unit_1=S.UnitNormalization(1),
    normalization_channels=S.Normalization([0.1, -0.2, 0.3, 0.4], [1.0, 2.0, 3.0, 0.5]),
    normalization_columns=S.Normalization([0.1], [1.0, 2.0, 3.0, 0.5, 0.1, 7.0], dim=3, invert=True),
    permute=S.Permute((2, 3, 1)),
    permute_back=S.Permute((1, 3, 2)),
    unflatten=S.Unflatten(1, (2, -1)),
)
case("permute-sequence", SEQUENCE, S.Permute((2, 1)), S.Linear(3))
case("permute-flatten", IMAGE, S.Permute((3, 1, 2)), S.Flatten(), S.Linear(3))
case("unflatten-features", FEATURES, S.Unflatten(-1, (5, 2)), S.Linear(3))
case("unflatten-image", (24,), S.Unflatten(1, (2, 3, 4)), S.Conv2d(3, 2))
case("unflatten-sequence", SEQUENCE, S.Unflatten(1, (3, 2)), S.Conv2d(3, 2))
case("repeat", FEATURES, S.RepeatVector(3), S.Linear(2))
case("repeat_once", FEATURES, S.RepeatVector(1))

ROWS, SEQUENCES = {"a": (5,), "b": (5,)}, {"a": (6, 5), "b": (3, 5)}
for title, options in (("", {}), ("_cosine", {"normalize": True}), ("_wide", {"normalize": True, "epsilon": 2.5})):
    case(f"dot{title}-features", ROWS, S.Dot(inputs=("a", "b"), **options))
    case(f"dot{title}-sequence", SEQUENCES, S.Dot(inputs=("a", "b"), **options))
case("dot_columns", {"a": (6, 5), "b": (6, 3)}, S.Dot(1, 1, normalize=True, inputs=("a", "b")))
case("dot_mixed", {"a": (5,), "b": (3, 5)}, S.Dot(1, 2, inputs=("a", "b")))
for title, layer in (("", S.PairwiseDistance()), ("_1", S.PairwiseDistance(1.0)), ("_3", S.PairwiseDistance(3.0, 0.5))):
    inputs = {"a": (5,), "b": (5,)}
    case(f"distance{title}-features", inputs, S.Tanh(name="c", inputs=("a",)),
         type(layer)(layer.norm, layer.epsilon, inputs=("c", "b")))  # fmt: skip
case("distance-sequence", {"a": (6, 5), "b": (6, 5)}, S.PairwiseDistance(2.5, inputs=("a", "b")))
case("bilinear", {"a": (5,), "b": (3,)}, S.Bilinear(4, inputs=("a", "b")))
case("bilinear_no_bias", {"a": (6, 5), "b": (6, 3)}, S.Bilinear(2, bias=False, inputs=("b", "a")))
case("bilinear_fixed", {"a": (5,), "b": (3,)}, S.Bilinear(4, trainable=False, inputs=("a", "b")), S.Linear(2))
