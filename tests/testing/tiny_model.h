// A tiny random Llama with the tests' tokenizer, as a Hugging Face directory.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "core/nn/transformer.h"

namespace rlhf {

// 2 layers of width 32 over the 512 tokens of tests/fixtures/text; the same
// weights for the same `seed`.
Transformer MakeTinyModel(uint64_t seed);

// Writes it into `directory`, which is made.
absl::Status WriteTinyModel(const std::string& directory, uint64_t seed);

// Writes the same trunk as a preference model with a random head: its scores
// hardly ever tie.
absl::Status WriteTinyPm(const std::string& directory, uint64_t seed);

// The folder of the tests' tokenizer.
std::string TinyTokenizer();

}  // namespace rlhf
