"""Parts of losses: PyTorch's formulas where Keras has no word, or a word that means another number."""

import math

from keras import ops


def reduce(loss, reduction):
    """The mean of a loss, its sum, or the loss as it is."""
    return {"mean": ops.mean, "sum": ops.sum, "none": lambda x: x}[reduction](loss)


def squared_then_linear(x, limit):
    """x² / 2 up to the limit, a straight line from there (``torch.nn.functional.huber_loss``)."""
    size = ops.abs(x)
    return ops.where(size < limit, 0.5 * ops.square(x), limit * (size - 0.5 * limit))


def binary_cross_entropy(p, target):
    """-log of the target's probability: no logarithm below -100, no divisor below 1e-12."""
    yes, no = ops.maximum(ops.log(p), -100.0), ops.maximum(ops.log1p(-p), -100.0)
    loss = (target - 1.0) * ops.stop_gradient(no) - target * ops.stop_gradient(yes)
    slope = (p - target) / ops.maximum((1.0 - p) * p, 9.999999960041972e-13)
    return loss + (p - ops.stop_gradient(p)) * ops.stop_gradient(slope)


def logit_cross_entropy(x, target, pos_weight=None):
    """-log of the probability of the target, of logits."""
    weight = 1.0 if pos_weight is None else (pos_weight - 1.0) * target + 1.0
    return (1.0 - target) * x + weight * ops.softplus(-x)


def divergence(log_p, target, log_target=False):
    """target·(log target - log p), the terms of Kullback and Leibler's divergence."""
    if log_target:
        return ops.exp(target) * (target - log_p)
    zero = ops.equal(target, 0)
    safe = ops.where(zero, ops.ones_like(target), target)
    return ops.where(zero, ops.zeros_like(target), target * ops.log(safe)) - target * log_p


def hinge_embedding(x, target, margin=1.0):
    """x where the target is 1, what is missing to the margin where it is -1."""
    far = ops.where(ops.equal(target, 1), ops.zeros_like(x), ops.maximum(margin - x, 0.0))
    return far + ops.where(ops.equal(target, -1), ops.zeros_like(x), x)


def cosine_embedding(x, y, target, margin=0.0):
    """1 - cos where the target is 1, cos above the margin where it is -1."""
    a, b = (ops.sum(ops.square(each), axis=-1) + 1e-12 for each in (x, y))
    cosine = ops.sum(x * y, axis=-1) / ops.sqrt(a * b)
    near = ops.where(ops.equal(target, 1), 1.0 - cosine, ops.zeros_like(cosine))
    return near + ops.where(ops.equal(target, -1), ops.maximum(cosine - margin, 0.0), ops.zeros_like(cosine))


def distance(x, y, p=2.0, eps=1e-6):
    """The p-norm of x - y + eps over the last axis."""
    total = ops.sum(ops.abs(x - y + eps) ** p, axis=-1)
    return total ** (1.0 / p)


def triplet(anchor, positive, negative, margin=1.0, p=2.0, eps=1e-6, swap=False):
    """How much further the positive is than the negative, less a margin."""
    near, far = distance(anchor, positive, p, eps), distance(anchor, negative, p, eps)
    far = ops.minimum(far, distance(positive, negative, p, eps)) if swap else far
    return ops.maximum(margin + near - far, 0.0)


def poisson(x, target, log_input=True, full=False, eps=1e-8):
    """-log of Poisson's probability of the target; ``full`` adds Stirling's log of target!."""
    loss = ops.exp(x) - target * x if log_input else x - target * ops.log(x + eps)
    if not full:
        return loss
    stirling = target * ops.log(target) - target + 0.5 * ops.log(2.0 * math.pi * target)
    return loss + ops.where(target > 1, stirling, ops.zeros_like(loss))


def multi_margin(x, target, weight=None, p=1, margin=1.0):
    """The mean over classes of what each score lacks to stay a margin below the target's."""
    classes = x.shape[-1]
    target = ops.reshape(target, (1,) if len(x.shape) == 1 else (-1, 1))
    short = ops.maximum(margin - ops.take_along_axis(x, target, axis=-1) + x, 0.0)
    short = short if p == 1 else ops.square(short)
    short = short if weight is None else short * ops.take(weight, target, axis=0)
    own = ops.equal(ops.arange(classes, dtype=target.dtype), target)
    return ops.sum(ops.where(own, ops.zeros_like(short), short), axis=-1) / classes


def multilabel_margin(x, target):
    """The mean of 1 - (score of a target class - score of another); targets end at the first -1."""
    classes = x.shape[-1]
    listed = ops.equal(ops.cumsum(ops.cast(target < 0, "int32"), axis=-1), 0)
    safe = ops.where(listed, target, ops.zeros_like(target))
    hot = ops.one_hot(safe, classes, dtype=x.dtype) * ops.expand_dims(ops.cast(listed, x.dtype), -1)
    others = 1.0 - ops.max(hot, axis=-2)
    scores = ops.expand_dims(ops.take_along_axis(x, safe, axis=-1), -1)
    short = ops.maximum(1.0 - scores + ops.expand_dims(x, -2), 0.0)
    pairs = ops.expand_dims(ops.cast(listed, x.dtype), -1) * ops.expand_dims(others, -2)
    return ops.sum(short * pairs, axis=(-2, -1)) / classes


def nll(log_p, target, weight=None, reduction="mean", ignore_index=-100, axis=1):
    """-log p of the target's class along an axis; the mean is by the classes' weights."""
    loss, share = class_terms(log_p, target, weight, ignore_index, axis)
    return ops.sum(loss) / ops.sum(share) if reduction == "mean" else reduce(loss, reduction)


def class_terms(log_p, target, weight=None, ignore_index=-100, axis=1):
    """-weight·log p of each target's class, and its weight; both 0 where it is ignored."""
    known = ops.not_equal(target, ignore_index)
    safe = ops.where(known, target, ops.zeros_like(target))
    chosen = ops.squeeze(ops.take_along_axis(log_p, ops.expand_dims(safe, axis), axis=axis), axis=axis)
    share = ops.ones_like(chosen) if weight is None else ops.take(weight, safe, axis=0)
    share = ops.where(known, share, ops.zeros_like(share))
    return ops.where(known, -chosen * share, ops.zeros_like(chosen)), share


def cross_entropy(x, target, weight=None, reduction="mean", ignore_index=-100, smoothing=0.0, axis=1):
    """``nll`` of logits; a part ``smoothing`` of every target is spread over all classes."""
    log_p = ops.log_softmax(x, axis=axis)
    loss, share = class_terms(log_p, target, weight, ignore_index, axis)
    if smoothing:
        spread = -ops.sum(log_p * by_class(weight, log_p, axis), axis=axis)
        spread = ops.where(ops.equal(target, ignore_index), ops.zeros_like(spread), spread)
        loss = (1.0 - smoothing) * loss + smoothing / x.shape[axis] * spread
    return ops.sum(loss) / ops.sum(share) if reduction == "mean" else reduce(loss, reduction)


def by_class(weight, x, axis):
    """The weights of the classes, in the shape in which they multiply x."""
    return 1.0 if weight is None else ops.reshape(weight, [-1 if i == axis else 1 for i in range(len(x.shape))])


def soft_cross_entropy(x, target, weight=None, reduction="mean", smoothing=0.0, axis=1):
    """The cross entropy of logits with targets that are probabilities."""
    classes = x.shape[axis]
    target = target * (1.0 - smoothing) + smoothing / classes if smoothing else target
    log_p = ops.log_softmax(x, axis=axis)
    return reduce(-ops.sum(log_p * target * by_class(weight, x, axis), axis=axis), reduction)


def lowest(x, k):
    """x moved k places to the right along the last axis, filled with a log of 0."""
    filler = ops.full_like(x[:, :k], -1e300 if x.dtype == "float64" else -1e30)
    return ops.concatenate([filler, x[:, :-k]], axis=-1)


def ctc(log_p, target, lengths, target_lengths, blank=0):
    """-log of the probability of all alignments (Graves et al. 2006) of (T, N, classes)."""
    low = -1e300 if log_p.dtype == "float64" else -1e30
    size = target.shape[1]
    blanks = ops.full_like(target, blank)
    labels = ops.reshape(ops.stack([blanks, target], axis=-1), (-1, 2 * size))
    labels = ops.concatenate([labels, blanks[:, :1]], axis=1)
    before = ops.concatenate([ops.full_like(labels[:, :2], blank), labels[:, :-2]], axis=1)
    skip = ops.logical_and(ops.not_equal(labels, blank), ops.not_equal(labels, before))
    index = ops.expand_dims(labels, 0) + ops.zeros((ops.shape(log_p)[0], 1, 1), dtype="int64")
    scores = ops.take_along_axis(log_p, index, axis=-1)
    alpha = ops.where(ops.arange(2 * size + 1) < 2, scores[0], ops.full_like(scores[0], low))

    def step(alpha, given):
        ways = [
            alpha,
            lowest(alpha, 1),
            ops.where(skip, lowest(alpha, 2), ops.full_like(alpha, low)),
        ]
        stepped = ops.maximum(ops.logsumexp(ops.stack(ways), axis=0) + given[0], low)
        alpha = ops.where(ops.expand_dims(given[1] < lengths, -1), stepped, alpha)
        return alpha, alpha

    times = ops.arange(ops.shape(log_p)[0], dtype="int64")
    alpha = ops.scan(step, alpha, (scores[1:], times[1:]))[0]
    last = ops.expand_dims(2 * target_lengths, -1)
    ends = [ops.take_along_axis(alpha, ops.clip(last - k, 0, 2 * size), axis=-1)[:, 0] for k in (0, 1)]
    ends[1] = ops.where(target_lengths > 0, ends[1], ops.full_like(ends[1], low))
    loss = -ops.logsumexp(ops.stack(ends), axis=0)
    read = ops.where(times[:, None, None] < lengths[None, :, None], ops.exp(log_p), ops.zeros_like(log_p))
    flow = ops.sum(read, axis=(0, 2))  # PyTorch's gradient is that of scores before their log_softmax
    loss = loss + flow - ops.stop_gradient(flow)
    return ops.where(loss >= -0.5 * low, ops.full_like(loss, float("inf")), loss)


def ctc_loss(log_p, target, lengths, target_lengths, blank=0, reduction="mean", zero_infinity=False):
    """Connectionist temporal classification; the mean is of losses by their target lengths."""
    lengths, target_lengths = (ops.convert_to_tensor(n, dtype="int64") for n in (lengths, target_lengths))
    if len(target.shape) == 1 and len(log_p.shape) == 3:
        target = rows_of(target, target_lengths)
    bare = len(log_p.shape) == 2
    if bare:
        log_p, target = ops.expand_dims(log_p, 1), ops.reshape(target, (1, -1))
        lengths, target_lengths = ops.reshape(lengths, (1,)), ops.reshape(target_lengths, (1,))
    loss = ctc(log_p, ops.cast(target, "int64"), lengths, target_lengths, blank)
    if zero_infinity:
        loss = ops.where(ops.isinf(loss), ops.zeros_like(loss), loss)
    if reduction == "mean":
        return ops.mean(loss / ops.cast(ops.maximum(target_lengths, 1), loss.dtype))
    return reduce(loss[0] if bare and reduction == "none" else loss, reduction)


def rows_of(joined, lengths):
    """Targets that stand one after the other as rows, filled up with what is not read."""
    first = ops.cumsum(lengths) - lengths
    size = joined.shape[0]
    index = ops.expand_dims(first, -1) + ops.arange(size, dtype=lengths.dtype)
    return ops.take(joined, ops.minimum(index, size - 1), axis=0)
