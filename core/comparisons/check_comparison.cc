#include "core/comparisons/check_comparison.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/comparisons/choice.h"
#include "core/text/prompt_set.h"

namespace rlhf {
namespace {

constexpr float kMaxTemperature = 100;

absl::Status CheckLength(const char* field, const std::string& text,
                         size_t most) {
  if (text.size() <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("\"", field, "\" has ", text.size(), " bytes; at most ",
                   most, " are allowed"));
}

// Nor may it turn the text around it: U+202A to U+202E and U+2066 to U+2069 of
// UTF-8 begin in E2 80 and E2 81.
bool IsTurn(absl::string_view text) {
  if (text.size() < 3 || text[0] != '\xE2') return false;
  const auto last = static_cast<unsigned char>(text[2]);
  return (text[1] == '\x80' && last >= 0xAA && last <= 0xAE) ||
         (text[1] == '\x81' && last >= 0xA6 && last <= 0xA9);
}

bool IsPrintable(absl::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7F || IsTurn(text.substr(i))) return false;
  }
  return true;
}

absl::Status CheckChoice(const v1::Comparison& comparison) {
  if (!v1::Choice_IsValid(comparison.choice()) ||
      comparison.choice() == v1::CHOICE_UNSPECIFIED ||
      comparison.choice() == v1::RETRACTED) {
    return absl::InvalidArgumentError(
        "\"choice\" must be A_BETTER, B_BETTER, TIE, BOTH_BAD or SKIPPED");
  }
  const bool is_decided = IsDecided(comparison);
  const int most = is_decided ? 3 : 0;
  const int least = is_decided ? 1 : 0;
  if (comparison.strength() < least || comparison.strength() > most) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"strength\" is ", comparison.strength(),
                     "; it must be 1 to 3 for a better side, else 0"));
  }
  if (!comparison.edited_response().empty() &&
      (!is_decided || comparison.task_kind() == v1::RED_TEAM)) {
    return absl::InvalidArgumentError(
        "\"edited_response\" may be given for a better side of a helpful task "
        "only: it stands above both");
  }
  if (!comparison.skip_reason().empty() && comparison.choice() != v1::SKIPPED) {
    return absl::InvalidArgumentError(
        "\"skip_reason\" may be given for SKIPPED only");
  }
  if (!(comparison.worker_seconds() >= 0 &&
        comparison.worker_seconds() <= kMaxWorkerSeconds)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"worker_seconds\" is ", comparison.worker_seconds(),
                     "; it must be from 0 to ", kMaxWorkerSeconds));
  }
  return absl::OkStatus();
}

absl::Status CheckTexts(const v1::Comparison& comparison) {
  for (const v1::Message& message : comparison.prompt().messages()) {
    RLHF_RETURN_IF_ERROR(
        CheckLength("prompt", message.content(), kMaxTextBytes));
  }
  RLHF_RETURN_IF_ERROR(
      CheckLength("response_a", comparison.response_a(), kMaxTextBytes));
  RLHF_RETURN_IF_ERROR(
      CheckLength("response_b", comparison.response_b(), kMaxTextBytes));
  RLHF_RETURN_IF_ERROR(CheckLength(
      "edited_response", comparison.edited_response(), kMaxEditedBytes));
  RLHF_RETURN_IF_ERROR(CheckLength("skip_reason", comparison.skip_reason(),
                                   kMaxSkipReasonBytes));
  const int64_t characters = CountCharacters(comparison.comment());
  if (characters > kMaxCommentCharacters) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"comment\" has ", characters, " characters; at most ",
                     kMaxCommentCharacters, " are allowed"));
  }
  return absl::OkStatus();
}

absl::Status OutOfRange(const char* field, double found, const char* wanted) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", field, "\" is ", found, "; it must be ", wanted));
}

// What it says of how it was made.
absl::Status CheckOrigin(const v1::Comparison& comparison) {
  if (!v1::TaskKind_IsValid(comparison.task_kind())) {
    return OutOfRange("task_kind", comparison.task_kind(),
                      "HELPFUL (0) or RED_TEAM (1)");
  }
  const std::pair<const char*, int64_t> policies[] = {
      {"policy_version_a", comparison.policy_version_a()},
      {"policy_version_b", comparison.policy_version_b()}};
  for (const auto& [field, version] : policies) {
    if (version >= -1) continue;
    return OutOfRange(field, static_cast<double>(version),
                      "at least 0, or -1 where it is not known");
  }
  if (comparison.pm_version() < 0) {
    return OutOfRange("pm_version",
                      static_cast<double>(comparison.pm_version()),
                      "at least 0, which says that it is not known");
  }
  const v1::SamplingRecord& sampling = comparison.sampling();
  if (!(sampling.temperature() >= 0 &&
        sampling.temperature() <= kMaxTemperature)) {
    return OutOfRange("sampling.temperature", sampling.temperature(),
                      "from 0 to 100");
  }
  if (sampling.max_new_tokens() < 0) {
    return OutOfRange("sampling.max_new_tokens", sampling.max_new_tokens(),
                      "at least 0");
  }
  return absl::OkStatus();
}

// They are shown, and counted by.
absl::Status CheckNames(const v1::Comparison& comparison) {
  RLHF_RETURN_IF_ERROR(
      CheckLength("comparison_id", comparison.comparison_id(), kMaxIdBytes));
  const std::pair<const char*, const std::string&> names[] = {
      {"comparison_id", comparison.comparison_id()},
      {"batch_id", comparison.batch_id()},
      {"worker_id", comparison.worker_id()},
      {"worker_group", comparison.worker_group()},
      {"source", comparison.source()},
      {"interface_version", comparison.interface_version()},
      {"judgement_key", comparison.judgement_key()}};
  for (const auto& [field, name] : names) {
    RLHF_RETURN_IF_ERROR(CheckLength(field, name, kMaxForeignNameBytes));
    if (IsPrintable(name)) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", field, "\" holds characters that cannot be printed"));
  }
  return absl::OkStatus();
}

}  // namespace

int64_t CountCharacters(absl::string_view text) {
  // The bytes that begin one.
  return std::count_if(text.begin(), text.end(), [](unsigned char byte) {
    return (byte & 0xC0) != 0x80;
  });
}

absl::Status CheckComparison(const v1::Comparison& comparison) {
  RLHF_RETURN_IF_ERROR(
      WithContext(CheckPrompt(comparison.prompt().messages()), "prompt"));
  RLHF_RETURN_IF_ERROR(CheckChoice(comparison));
  RLHF_RETURN_IF_ERROR(CheckOrigin(comparison));
  RLHF_RETURN_IF_ERROR(CheckTexts(comparison));
  return CheckNames(comparison);
}

}  // namespace rlhf
