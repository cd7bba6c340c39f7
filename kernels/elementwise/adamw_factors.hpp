#pragma once
/// @file  The factors of one AdamW step, the same for every parameter.

namespace ringworld::row {

struct AdamWFactors {
  float gradient_scale = 1;
  float beta1 = 0;
  float beta2 = 0;
  float one_minus_beta1 = 1;
  float one_minus_beta2 = 1;
  float step_size = 0;                ///< learning rate / (1 - beta1^step)
  float inverse_root_correction = 1;  ///< 1 / sqrt(1 - beta2^step)
  float epsilon = 0;
  float decay = 1;  ///< 1 - learning rate * weight decay
};

}  // namespace ringworld::row
