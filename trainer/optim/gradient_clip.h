// Clipping of gradients by their global norm, in steps, so that a caller whose
// gradients lie on several ranks can add up the squared norms in between:
//
//   double squared = SquaredNorm(gradients);
//   ...                                        // sum over ranks if sharded
//   Scale(gradients, ClipFactor(squared, max_norm));
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace rlhf {

// Returns the sum of the squares of all elements, accumulated in float64. The
// tensors are on one device. Takes some MB of scratch memory, however large the
// tensors. Infinite or NaN if an element is.
double SquaredNorm(const std::vector<at::Tensor>& tensors);

// Returns the factor that brings the norm down to `max_norm` > 0:
// min(1, max_norm / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_. The
// caller has made sure that `squared_norm` is finite; dies if it is not.
double ClipFactor(double squared_norm, double max_norm);

// Multiplies every tensor by `factor`, in place. A factor of 1 costs nothing.
void Scale(const std::vector<at::Tensor>& tensors, double factor);

}  // namespace rlhf
