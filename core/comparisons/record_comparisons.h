// What the readers of other programs' files share: what a record of theirs
// gives, and the names and words that such files use.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/base/json.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

// All that one record says. A reader may set comparison_id to the name that
// the record has where it comes from; it needs to be unique only together with
// the rest of the comparison.
struct RecordComparisons {
  std::vector<v1::Comparison> comparisons;
  // Why each well-formed judgement that is no preference was left out.
  std::vector<std::string> left_out;
};

struct Verdict {
  v1::Choice choice = v1::CHOICE_UNSPECIFIED;
  // 1 to 3 for a better side, else 0.
  int32_t strength = 0;
};

// Reads a word for a choice; case, spaces, "_", "-" and "." aside it is one of
//   a, a_better, a_is_better, a+   A_BETTER, strength 1; a++ 2, a+++ 3
//   b, b_better, b_is_better, b+   the same for B
//   tie, equal                     TIE
//   both_bad, neither              BOTH_BAD
//   skip, skipped                  SKIPPED
// "left" and "right" are none: pages swap sides.
// Errors: InvalidArgument that names the word and the known ones.
absl::StatusOr<Verdict> ParseVerdict(absl::string_view word);

// Whether two names differ at most in case, spaces, "_", "-" and ".".
bool IsSameName(absl::string_view a, absl::string_view b);

// The name of a column or member that holds an answer.
struct AnswerName {
  std::string name;
  // As in the name; a is 1, b is 2, ….
  int number = 0;
};

// Those of `names` that hold answers, in order of their numbers: response,
// answer, reply, completion, generation, output, summary or text with a number
// or a letter from a to h (response_1, answer-b, reply2), or else "chosen" and
// "rejected".
// Errors: InvalidArgument that lists `names` if there are fewer than 2 or more
// than 16, or two with one number.
absl::StatusOr<std::vector<AnswerName>> FindAnswerNames(
    const std::vector<std::string>& names);

// That of `names` that holds the prompt: prompt, instruction, question or
// input. Errors: InvalidArgument that lists `names`.
absl::StatusOr<std::string> FindPromptName(
    const std::vector<std::string>& names);

// The names under which a worker may stand, the surest first: worker_id,
// participant_id, annotator_id, annotator.
inline constexpr const char* kWorkerWords[] = {"worker_id", "participant_id",
                                               "annotator_id", "annotator"};

// Who judged a record: the first of kWorkerWords that is there and not null, a
// text or a whole number; empty if none is. Errors: InvalidArgument if it is
// anything else.
absl::StatusOr<std::string> FindWorkerName(const Json& record);

// One user message; but a text that begins with "\n\nHuman:" is a dialogue in
// the form of HH-RLHF, where an empty "Assistant:" at the end is dropped.
v1::Prompt PromptFromText(std::string text);

// A text as above or a list of messages {"role", "content"}.
// Errors: InvalidArgument.
absl::StatusOr<v1::Prompt> PromptFromJson(const Json& json);

// A comparison of answers by unknown policies.
// Errors: FailedPrecondition if the answers are the same.
absl::StatusOr<v1::Comparison> MakeComparison(const v1::Prompt& prompt,
                                              std::string response_a,
                                              std::string response_b,
                                              const Verdict& verdict);

// What somebody wrote or picked as the answer to a question.
struct Label {
  std::string question;
  std::string text;
};

// Which of the labels compares answer `a` with `b`, and what it says. A label
// may be the name of the better one. Under a question whose name speaks of
// comparing (prefer, rank, compar, choose, choice, best, better, winner) it may
// also be its number ("2", "Response 2", "answer b"), or a word of
// ParseVerdict. All other labels are ignored.
//
// Errors:
//   FailedPrecondition  no label compares the two
//   InvalidArgument     several do, or none but under a name that speaks of
//                       comparing stands what cannot be read
absl::StatusOr<Verdict> VerdictOfLabels(const std::vector<Label>& labels,
                                        const AnswerName& a,
                                        const AnswerName& b);

// `seconds` if they are 0 to 1e9. Errors: InvalidArgument that names `what`.
absl::StatusOr<double> CheckSeconds(double seconds, absl::string_view what);

// Adds a comparison to `record` or, for FailedPrecondition, why there is none.
// Errors: all others, with `context` before them.
absl::Status AddJudgement(absl::StatusOr<v1::Comparison> comparison,
                          absl::string_view context, RecordComparisons& record);

// For messages: at most 60 bytes of `text` in quotation marks; those of `names`
// that are not empty, or the first 600 bytes of them.
std::string Quoted(absl::string_view text);
std::string ListedNames(const std::vector<std::string>& names);

}  // namespace rlhf
