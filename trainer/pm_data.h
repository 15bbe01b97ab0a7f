// Comparisons as a PM trains on them and is measured by them.
#pragma once

#include <string>
#include <vector>

#include "core/text/chat_format.h"
#include "core/text/tokenizer.h"
#include "rlhf/v1/config.pb.h"
#include "rlhf/v1/feedback.pb.h"
#include "trainer/preference/pm_trainer.h"

namespace rlhf {

struct PmData {
  std::vector<PmExample> training;
  // Comparisons whose prompts no PM ever trains on.
  std::vector<PmExample> held_out;
  // Pairs with a dialogue of more tokens than allowed.
  int64_t num_too_long = 0;
  // Comparisons that the PM's chat format cannot express; each is named in the
  // log.
  int64_t num_unusable = 0;
  // Comparisons that name no better response.
  int64_t num_undecided = 0;
};

// Whether comparisons on this prompt only measure: by its hash, the same in
// every refresh.
bool IsHeldOut(const std::string& prompt_id,
               const v1::PreferenceConfig& config);

// Whether a PM that is trained by `config` learns from the comparison, its
// length aside. One that was retracted may have: what was chosen is gone.
bool Teaches(const v1::Comparison& comparison,
             const v1::PreferenceConfig& config);

// Pairs of a better and a worse response, to train on or to measure by.
//
// - The one that was chosen and the other one; ties, skips and "both bad" name
//   no winner (the paper binarises likewise, §2.2). They train if chosen with
//   `config.min_strength`.
// - A response that the worker rewrote and each of the two that were there,
//   whatever was chosen (the paper's D.2 keeps the edit alone).
//
// Nothing is taken from what does not count, retracted or extra, nor from
// answers to questions whose right answer is known (source "gold"): those judge
// the worker. The split is by the prompt's hash, so that no prompt is on both
// sides, in this refresh or any other.
PmData MakePmData(const std::vector<v1::Comparison>& comparisons,
                  const Tokenizer& tokenizer, const ChatFormat& format,
                  const v1::PreferenceConfig& config);

// The same of one comparison, added to `data`: a long log need not be in
// memory.
void AddToPmData(const v1::Comparison& comparison, const Tokenizer& tokenizer,
                 const ChatFormat& format, const v1::PreferenceConfig& config,
                 PmData& data);

// Whether `source` begins with one of `prefixes`.
bool ComesFrom(const std::string& source,
               const google::protobuf::RepeatedPtrField<std::string>& prefixes);

}  // namespace rlhf
