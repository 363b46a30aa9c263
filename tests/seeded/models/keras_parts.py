"""What Keras has no word for and PyTorch does by default, as a careful person writes it."""

from typing import Any

import keras
from keras import layers, ops


class BatchNorm(layers.BatchNormalization):
    """BatchNormalization with PyTorch's defaults, and like it with the unbiased variance in its moving average."""

    def __init__(self, momentum: float = 0.9, epsilon: float = 1e-5, **rest: Any) -> None:
        super().__init__(momentum=momentum, epsilon=epsilon, **rest)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        before = ops.copy(self.moving_variance)
        outputs = super().call(inputs, training=training, mask=mask)
        if training and self.trainable:
            count = inputs.shape[0] * inputs.shape[1] * inputs.shape[2] if len(inputs.shape) == 4 else inputs.shape[0]
            moved = self.moving_variance - self.momentum * before
            self.moving_variance.assign(self.momentum * before + moved * (count / (count - 1)))
        return outputs


class Adam(keras.optimizers.Adam):
    """Adam, with decoupled weight decay if any, and epsilon beside the corrected root as in PyTorch."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        step = ops.cast(self.iterations + 1, variable.dtype)
        rate, gradient = ops.cast(learning_rate, variable.dtype), ops.cast(gradient, variable.dtype)
        index = self._get_variable_index(variable)
        mean, square = self._momentums[index], self._velocities[index]
        mean.assign(self.beta_1 * mean + (1 - self.beta_1) * gradient)
        square.assign(self.beta_2 * square + (1 - self.beta_2) * gradient * gradient)
        if self.amsgrad:
            largest = self._velocity_hats[index]
            largest.assign(ops.maximum(largest, square))
            square = largest
        one = ops.ones((), variable.dtype)
        right_mean = mean / (one - ops.power(one * self.beta_1, step))
        right_square = square / (one - ops.power(one * self.beta_2, step))
        variable.assign_sub(rate * right_mean / (ops.sqrt(right_square) + self.epsilon))
