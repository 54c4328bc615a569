"""Training steps near the GPU's bound: packed conversations, fused kernels, CUDA graphs. ``step.FastStep`` is the door.

What it does to one pass of a training step, from top to bottom:

1. ``pack``: the conversations end to end, no padding between them, filled up to one of about eight lengths.
2. ``decoder``: the model's own weights and adapters, with the projections of one input as one matmul (``linear``),
   what stands between matmuls (``formulas``; on a GPU one kernel each: ``fused``, ``kernels``), attention within each
   conversation (``attention``).
3. ``loss``: logits of trained tokens only, a few hundred at a time; their gradient at once.
4. ``graphs``: 2 and its backward pass captured once for each length, so that the CPU launches two graphs.
5. ``adapters``: every gradient in one flat tensor, of which the parameters' own gradients are views.

``weights`` decides how much memory is needed. Every frozen weight is either dequantised once and kept (``fast``), or
dequantised by ``nf4`` each time it is used, with activations computed anew in the backward pass (``balanced``).
"""
