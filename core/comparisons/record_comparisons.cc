#include "core/comparisons/record_comparisons.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status_macros.h"
#include "core/text/byte_level.h"
#include "core/text/chat_format.h"
#include "core/text/prompt_set.h"

namespace rlhf {
namespace {

constexpr size_t kMaxAnswers = 16;
constexpr size_t kMaxNumberDigits = 6;
constexpr size_t kMaxQuotedBytes = 60;
constexpr size_t kMaxListedBytes = 600;
constexpr double kMaxSeconds = 1e9;

constexpr absl::string_view kAnswerWords[] = {
    "response",   "answer", "reply",   "completion",
    "generation", "output", "summary", "text"};
constexpr absl::string_view kPromptWords[] = {"prompt", "instruction",
                                              "question", "input"};
constexpr absl::string_view kComparingWords[] = {
    "prefer", "rank", "compar", "choose", "choice", "best", "better", "winner"};

struct KnownWord {
  const char* word;
  v1::Choice choice;
  int32_t strength;
};
constexpr KnownWord kVerdictWords[] = {
    {"a", v1::A_BETTER, 1},       {"a+", v1::A_BETTER, 1},
    {"a++", v1::A_BETTER, 2},     {"a+++", v1::A_BETTER, 3},
    {"abetter", v1::A_BETTER, 1}, {"aisbetter", v1::A_BETTER, 1},
    {"b", v1::B_BETTER, 1},       {"b+", v1::B_BETTER, 1},
    {"b++", v1::B_BETTER, 2},     {"b+++", v1::B_BETTER, 3},
    {"bbetter", v1::B_BETTER, 1}, {"bisbetter", v1::B_BETTER, 1},
    {"tie", v1::TIE, 0},          {"equal", v1::TIE, 0},
    {"bothbad", v1::BOTH_BAD, 0}, {"neither", v1::BOTH_BAD, 0},
    {"skip", v1::SKIPPED, 0},     {"skipped", v1::SKIPPED, 0},
};

std::string Fold(absl::string_view name) {
  std::string folded;
  for (const char c : name) {
    if (absl::StrContains("_-. ", c)) continue;
    folded.push_back(absl::ascii_tolower(static_cast<unsigned char>(c)));
  }
  return folded;
}

// The number of "response_2" or "answer b"; nullopt for another name.
std::optional<int> AnswerNumber(absl::string_view name) {
  const std::string folded = Fold(name);
  for (const absl::string_view word : kAnswerWords) {
    if (!absl::StartsWith(folded, word)) continue;
    const absl::string_view rest =
        absl::string_view(folded).substr(word.size());
    if (rest.size() == 1 && rest[0] >= 'a' && rest[0] <= 'h') {
      return rest[0] - 'a' + 1;
    }
    int number = 0;
    const bool digits =
        std::all_of(rest.begin(), rest.end(),
                    [](unsigned char c) { return absl::ascii_isdigit(c); });
    if (digits && rest.size() <= kMaxNumberDigits &&
        absl::SimpleAtoi(rest, &number)) {
      return number;
    }
  }
  return std::nullopt;
}

bool SpeaksOfComparing(absl::string_view question) {
  const std::string folded = Fold(question);
  return std::any_of(
      std::begin(kComparingWords), std::end(kComparingWords),
      [&](absl::string_view word) { return absl::StrContains(folded, word); });
}

absl::StatusOr<Verdict> ReadLabel(const Label& label, const AnswerName& a,
                                  const AnswerName& b) {
  const Verdict a_better = {v1::A_BETTER, 1}, b_better = {v1::B_BETTER, 1};
  if (IsSameName(label.text, a.name)) return a_better;
  if (IsSameName(label.text, b.name)) return b_better;
  if (!SpeaksOfComparing(label.question)) {
    return absl::FailedPreconditionError("the label is about something else");
  }
  int number = 0;
  const std::optional<int> named =
      absl::SimpleAtoi(label.text, &number) ? number : AnswerNumber(label.text);
  if (named == a.number) return a_better;
  if (named == b.number) return b_better;
  auto verdict = ParseVerdict(label.text);
  if (verdict.ok()) return verdict;
  return absl::InvalidArgumentError(
      absl::StrCat(label.question, ": ", verdict.status().message(),
                   ", or the answer by name or number: ", a.name, ", ", b.name,
                   ", ", a.number, ", ", b.number));
}

}  // namespace

bool IsSameName(absl::string_view a, absl::string_view b) {
  return Fold(a) == Fold(b);
}

absl::StatusOr<Verdict> ParseVerdict(absl::string_view word) {
  const std::string folded = Fold(absl::StripAsciiWhitespace(word));
  for (const KnownWord& known : kVerdictWords) {
    if (folded == known.word) return Verdict{known.choice, known.strength};
  }
  return absl::InvalidArgumentError(absl::StrCat(
      Quoted(word),
      " is no choice; wanted a, a+, a++, a+++, a_better, a_is_better, the same "
      "with b, tie, equal, both_bad, neither, skip, skipped (not left or "
      "right: pages swap sides)"));
}

absl::StatusOr<std::vector<AnswerName>> FindAnswerNames(
    const std::vector<std::string>& names) {
  std::vector<AnswerName> answers;
  for (const std::string& name : names) {
    if (const auto number = AnswerNumber(name)) {
      answers.push_back({name, *number});
    }
  }
  if (answers.empty()) {
    for (const std::string& name : names) {
      if (IsSameName(name, "chosen")) answers.push_back({name, 1});
      if (IsSameName(name, "rejected")) answers.push_back({name, 2});
    }
  }
  if (answers.size() < 2 || answers.size() > kMaxAnswers) {
    return absl::InvalidArgumentError(
        absl::StrCat("wanted 2 to ", kMaxAnswers,
                     " answers, named like response_a and response_b; found ",
                     answers.size(), " among ", ListedNames(names)));
  }
  std::stable_sort(answers.begin(), answers.end(),
                   [](const AnswerName& a, const AnswerName& b) {
                     return a.number < b.number;
                   });
  for (size_t i = 1; i < answers.size(); ++i) {
    if (answers[i].number != answers[i - 1].number) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "both ", Quoted(answers[i - 1].name), " and ", Quoted(answers[i].name),
        " are answer ", answers[i].number, "; rename one"));
  }
  return answers;
}

absl::StatusOr<std::string> FindPromptName(
    const std::vector<std::string>& names) {
  for (const absl::string_view word : kPromptWords) {
    for (const std::string& name : names) {
      if (IsSameName(name, word)) return name;
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "no prompt; wanted one of ", absl::StrJoin(kPromptWords, ", "),
      "; found ", ListedNames(names)));
}

absl::StatusOr<std::string> FindWorkerName(const Json& record) {
  for (const char* const word : kWorkerWords) {
    const auto found = record.find(word);
    if (found == record.end() || found->is_null()) continue;
    if (found->is_number_integer()) return DumpJson(*found);
    if (!found->is_string()) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", word, "\" must be a text or a number"));
    }
    const std::string name = found->get<std::string>();
    return std::string(absl::StripAsciiWhitespace(name));
  }
  return std::string();
}

v1::Prompt PromptFromText(std::string text) {
  v1::Prompt prompt;
  if (auto dialogue = ParseHumanAssistant(text); dialogue.ok()) {
    const v1::Message& last = (*dialogue)[dialogue->size() - 1];
    if (last.role() == "assistant" &&
        absl::StripAsciiWhitespace(last.content()).empty()) {
      dialogue->RemoveLast();
    }
    *prompt.mutable_messages() = *std::move(dialogue);
    return prompt;
  }
  v1::Message& message = *prompt.add_messages();
  message.set_role("user");
  message.set_content(std::move(text));
  return prompt;
}

absl::StatusOr<v1::Prompt> PromptFromJson(const Json& json) {
  if (json.is_string()) return PromptFromText(json.get<std::string>());
  if (json.is_array()) {
    auto prompt = ParsePrompt(Json{{"messages", json}});
    RLHF_RETURN_IF_ERROR(WithContext(prompt.status(), "prompt"));
    return prompt;
  }
  return absl::InvalidArgumentError(
      "the prompt must be a text or a list of messages");
}

absl::StatusOr<v1::Comparison> MakeComparison(const v1::Prompt& prompt,
                                              std::string response_a,
                                              std::string response_b,
                                              const Verdict& verdict) {
  if (response_a == response_b) {
    return absl::FailedPreconditionError("the two answers are the same");
  }
  v1::Comparison comparison;
  *comparison.mutable_prompt() = prompt;
  comparison.set_response_a(std::move(response_a));
  comparison.set_response_b(std::move(response_b));
  comparison.set_choice(verdict.choice);
  comparison.set_strength(verdict.strength);
  comparison.set_policy_version_a(-1);
  comparison.set_policy_version_b(-1);
  return comparison;
}

absl::StatusOr<Verdict> VerdictOfLabels(const std::vector<Label>& labels,
                                        const AnswerName& a,
                                        const AnswerName& b) {
  std::vector<std::string> questions, deciding;
  Verdict verdict;
  absl::Status unreadable;
  for (const Label& label : labels) {
    questions.push_back(label.question);
    const absl::StatusOr<Verdict> read = ReadLabel(label, a, b);
    if (read.ok()) {
      verdict = *read;
      deciding.push_back(label.question);
    } else if (!absl::IsFailedPrecondition(read.status())) {
      unreadable.Update(read.status());
    }
  }
  if (deciding.size() == 1) return verdict;
  if (deciding.size() > 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "several questions compare the answers: ", ListedNames(deciding),
        "; keep one of them"));
  }
  RLHF_RETURN_IF_ERROR(unreadable);
  return absl::FailedPreconditionError(absl::StrCat(
      "no question compares the answers; found ", ListedNames(questions)));
}

absl::StatusOr<double> CheckSeconds(double seconds, absl::string_view what) {
  if (seconds >= 0 && seconds <= kMaxSeconds) return seconds;
  return absl::InvalidArgumentError(
      absl::StrCat(what, " is ", seconds, "; wanted 0 to 1e9 seconds"));
}

absl::Status AddJudgement(absl::StatusOr<v1::Comparison> comparison,
                          absl::string_view context,
                          RecordComparisons& record) {
  if (comparison.ok()) {
    record.comparisons.push_back(*std::move(comparison));
    return absl::OkStatus();
  }
  const absl::Status status = context.empty()
                                  ? comparison.status()
                                  : WithContext(comparison.status(), context);
  if (!absl::IsFailedPrecondition(status)) return status;
  record.left_out.emplace_back(status.message());
  return absl::OkStatus();
}

std::string ListedNames(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) {
    if (list.size() > kMaxListedBytes) return absl::StrCat(list, ", …");
    if (name.empty()) continue;
    absl::StrAppend(&list, list.empty() ? "" : ", ",
                    CutUtf8(name, kMaxQuotedBytes));
  }
  return list.empty() ? "nothing" : list;
}

std::string Quoted(absl::string_view text) {
  const bool whole = text.size() <= kMaxQuotedBytes;
  return absl::StrCat("\"", CutUtf8(text, kMaxQuotedBytes),
                      whole ? "\"" : "…\"");
}

}  // namespace rlhf
