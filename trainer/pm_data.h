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
  // Decided comparisons with a dialogue of more tokens than allowed.
  int64_t num_too_long = 0;
  // Decided comparisons that the PM's chat format cannot express; each is named
  // in the log.
  int64_t num_unusable = 0;
};

// Keeps what was decided, to train on if with `config.min_strength` (ties,
// skips and "both bad" name no winner; the paper binarises likewise, §2.2; the
// answers to gold questions judge the worker and teach nothing), and
// splits by the prompt's hash, so that no prompt is on both sides, in this
// refresh or any other.
PmData MakePmData(const std::vector<v1::Comparison>& comparisons,
                  const Tokenizer& tokenizer, const ChatFormat& format,
                  const v1::PreferenceConfig& config);

// Whether `source` begins with one of `prefixes`.
bool ComesFrom(const std::string& source,
               const google::protobuf::RepeatedPtrField<std::string>& prefixes);

}  // namespace rlhf
