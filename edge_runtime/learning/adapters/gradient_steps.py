"""Draws minibatches and takes gradient steps, the same bits from the same generator."""

import torch


def minibatches(count: int, size: int, generator: torch.Generator) -> tuple[torch.Tensor, ...]:
    """Returns the numbers from 0 to `count`, shuffled, in pieces of `size`; none of none."""
    order = torch.randperm(count, generator=generator)
    return order.split(size) if count else ()


def take_step(optimizer: torch.optim.Optimizer, loss: torch.Tensor, max_norm: float) -> None:
    """Takes a step down the gradient of a loss, whose norm is cut to `max_norm`."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], max_norm)
    optimizer.step()
