// Hugging Face model directories: config.json, weights, tokenizer files.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/nn/transformer.h"

namespace rlhf {

// Reads config.json of `directory`. Errors: as ParseModelConfig, and NotFound.
absl::StatusOr<ModelConfig> LoadModelConfig(const std::string& directory);

// Loads config.json and model.safetensors (or the shards that
// model.safetensors.index.json lists), as float32 on the CPU.
//
// Errors:
//   NotFound         no such directory or file, with what to do
//   InvalidArgument  damaged or mismatching files; a pickle, never loaded
//   Unimplemented    an architecture that we do not know
absl::StatusOr<Transformer> LoadModel(const std::string& directory);

// The same, but only the weights that `config` names. A score head that is
// wanted of a language model starts at zero.
absl::StatusOr<Transformer> LoadModelAs(const ModelConfig& config,
                                        const std::string& directory);

// Writes `model` as a Hugging Face directory into the existing, empty folder
// `directory`; the tokenizer and template files are copied from
// `tokenizer_source`. Not atomic by itself: callers pass the temporary folder
// of an AtomicDirectory.
//
// Errors: ResourceExhausted if the disk is full, else Unavailable.
absl::Status SaveModel(const Transformer& model,
                       const std::string& tokenizer_source,
                       const std::string& directory);

}  // namespace rlhf
