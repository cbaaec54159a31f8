"""Compiled kernels of the networks: layers forward and backward, rollouts, training steps.

All arrays are C-contiguous and of one float type; float32 is what the service uses, float64 is for checking gradients.
Inner kernels read flat arrays from offsets, in tiles of rows by 16 numbers (`tiles`), each row padded with zeros.
Legend: B rows of a batch, T steps, C channels, H hidden_size, G gates times H, K output_chunk_length; P and Q are H and
G padded to complete blocks of 16 units, with the gates of a block side by side (`packing`).
"""
