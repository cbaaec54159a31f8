"""One step of each cell, forward and backward, for a batch of rows; gates in torch's order.

before: what the input adds to the gates, its bias included (B, G); back: what the last hidden state adds (B, G);
gates: the activated gates, kept for the way back (B, G).
"""

from __future__ import annotations

from typing import Any

from service.forecasting.kernels import compiled
from service.forecasting.kernels.activations import sigmoid, tanh

Array = Any

RNN, LSTM, GRU = 0, 1, 2
CODES = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
GATES = {"rnn": 1, "lstm": 4, "gru": 3}


@compiled
def rnn_step(before: Array, back: Array, hidden: Array) -> None:
    """Elman's cell with tanh; hidden: (B, H), out."""
    for row in range(hidden.shape[0]):
        p, r, h = before[row], back[row], hidden[row]
        for j in range(hidden.shape[1]):
            h[j] = tanh(p[j] + r[j])


@compiled
def rnn_back(d_hidden: Array, hidden: Array, d_gates: Array) -> None:
    """Gradient of the gates from that of the hidden state."""
    for row in range(hidden.shape[0]):
        d, h, g = d_hidden[row], hidden[row], d_gates[row]
        for j in range(hidden.shape[1]):
            g[j] = d[j] * (1 - h[j] * h[j])


@compiled
def lstm_step(
    before: Array, back: Array, memory: Array, hidden: Array, new_memory: Array, gates: Array, seen: Array
) -> None:
    """Hochreiter and Schmidhuber's cell with forget gates; gates: input, forget, new, output.

    memory: (B, H), in; hidden, new_memory: (B, H), out; seen: (B, H), tanh of the new memory, kept.
    """
    size = memory.shape[1]
    for row in range(memory.shape[0]):
        p, r, a, c = before[row], back[row], gates[row], memory[row]
        h, m, s = hidden[row], new_memory[row], seen[row]
        for j in range(2 * size):
            a[j] = sigmoid(p[j] + r[j])
        for j in range(2 * size, 3 * size):
            a[j] = tanh(p[j] + r[j])
        for j in range(3 * size, 4 * size):
            a[j] = sigmoid(p[j] + r[j])
        for j in range(size):
            m[j] = a[size + j] * c[j] + a[j] * a[2 * size + j]
            s[j] = tanh(m[j])
            h[j] = a[3 * size + j] * s[j]


@compiled
def lstm_back(d_hidden: Array, d_memory: Array, gates: Array, seen: Array, memory: Array, d_gates: Array) -> None:
    """Gradient of the gates; d_memory: (B, H), that of the new memory in, of the old one out."""
    size = memory.shape[1]
    for row in range(memory.shape[0]):
        d, e, a, s, c, g = d_hidden[row], d_memory[row], gates[row], seen[row], memory[row], d_gates[row]
        for j in range(size):
            i, f, n, o, t = a[j], a[size + j], a[2 * size + j], a[3 * size + j], s[j]
            total = e[j] + d[j] * o * (1 - t * t)
            g[j] = total * n * i * (1 - i)
            g[size + j] = total * c[j] * f * (1 - f)
            g[2 * size + j] = total * i * (1 - n * n)
            g[3 * size + j] = d[j] * t * o * (1 - o)
            e[j] = total * f


@compiled
def gru_step(before: Array, back: Array, last: Array, hidden: Array, gates: Array, seen: Array) -> None:
    """Cho's cell as cuDNN and torch have it; gates: reset, update, new.

    last: (B, H), in; hidden: (B, H), out; seen: (B, H), what the last state adds to the new gate, kept.
    """
    size = last.shape[1]
    for row in range(last.shape[0]):
        p, r, a, v, h, s = before[row], back[row], gates[row], last[row], hidden[row], seen[row]
        for j in range(2 * size):
            a[j] = sigmoid(p[j] + r[j])
        for j in range(size):
            s[j] = r[2 * size + j]
            a[2 * size + j] = tanh(p[2 * size + j] + a[j] * s[j])
        for j in range(size):
            h[j] = a[2 * size + j] + a[size + j] * (v[j] - a[2 * size + j])


@compiled
def gru_back(
    d_hidden: Array, gates: Array, seen: Array, last: Array, d_gates: Array, d_back: Array, d_last: Array
) -> None:
    """Gradients of both sides of the gates, and of the last state as far as it goes past them."""
    size = last.shape[1]
    for row in range(last.shape[0]):
        d, a, s, v = d_hidden[row], gates[row], seen[row], last[row]
        g, b, e = d_gates[row], d_back[row], d_last[row]
        for j in range(size):
            r, z, n = a[j], a[size + j], a[2 * size + j]
            d_new = d[j] * (1 - z) * (1 - n * n)
            d_update = d[j] * (v[j] - n) * z * (1 - z)
            d_reset = d_new * s[j] * r * (1 - r)
            g[j] = d_reset
            g[size + j] = d_update
            g[2 * size + j] = d_new
            b[j] = d_reset
            b[size + j] = d_update
            b[2 * size + j] = d_new * r
            e[j] = d[j] * z
