#pragma once
/// @file  The attributes that a checkpoint may have, and the check that the model described by them is one that this
/// code computes.
///
/// A configuration in Hugging Face's names can ask for more than the model computes: a scaled RoPE, another activation,
/// a sliding window. Ignoring such a request would give a wrong result.

#include "model/config.hpp"
#include "tensors/tensor_source.hpp"

namespace ringworld {

/// Checks every attribute of the file against the table in the source. One that the table does not know is named in a
/// warning of the root. Collective over the source's communicator.
/// @param config  what the attributes that are read say
/// @throws ringworld::Error (bad_input, collective) naming the first attribute that asks for what the model does not
/// do, and what it may say.
void require_known_attributes(const TensorSource& source, const ModelConfig& config);

/// Checks that every parameter of the model is in the file, in its shape, and that the model has a place for every one
/// in the file. Datasets that are not named as parameters are (without a dot) are named in a warning of the root; the
/// optimiser's moments, and what `score` reads, may be there.
/// @throws ringworld::Error (bad_input, collective) naming the dataset that is missing or of another shape, or the
/// first that it has no place for, and why.
void require_known_tensors(const TensorSource& source, const ModelConfig& config);

}  // namespace ringworld
