#include "core/comparisons/label_studio.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/status_macros.h"
#include "core/comparisons/judgement_key.h"

namespace rlhf {
namespace {

constexpr int64_t kMaxStars = 1000;

struct Answers {
  AnswerName a, b;
};

absl::Status WrongType(absl::string_view what, absl::string_view wanted) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", what, "\" must be ", wanted));
}

const Json& Member(const Json& object, const char* key) {
  static const Json kNull;
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}

// One entry of an annotation's "result".
struct Result {
  std::string from_name;
  std::string to_name;
  std::string type;
  Json value;
};

absl::StatusOr<std::vector<Result>> ReadResults(const Json& list) {
  std::vector<Result> results;
  if (list.is_null()) return results;
  if (!list.is_array()) return WrongType("result", "a list");
  for (const Json& entry : list) {
    Result result;
    RLHF_ASSIGN_OR_RETURN(result.type, GetString(entry, "type"));
    for (const auto& [key, name] : {std::pair("from_name", &result.from_name),
                                    std::pair("to_name", &result.to_name)}) {
      const Json& found = Member(entry, key);
      if (found.is_string()) *name = found.get<std::string>();
    }
    result.value = Member(entry, "value");
    if (!result.value.is_object()) return WrongType("value", "an object");
    results.push_back(std::move(result));
  }
  return results;
}

bool IsText(const Json& data, const std::string& name) {
  const auto found = data.find(name);
  return found != data.end() && found->is_string();
}

// The two answers that are compared, the left one first.
absl::StatusOr<Answers> FindAnswers(const Json& data,
                                    const std::vector<Result>& results) {
  for (const Result& result : results) {
    std::vector<std::string> names = absl::StrSplit(result.to_name, ',');
    for (std::string& name : names) absl::StripAsciiWhitespace(&name);
    if (result.type == "pairwise" && names.size() == 2 &&
        names[0] != names[1] && IsText(data, names[0]) &&
        IsText(data, names[1])) {
      return Answers{{names[0], 1}, {names[1], 2}};
    }
  }
  std::vector<std::string> texts;
  for (const auto& [name, value] : data.items()) {
    if (value.is_string()) texts.push_back(name);
  }
  RLHF_ASSIGN_OR_RETURN(const std::vector<AnswerName> found,
                        FindAnswerNames(texts));
  if (found.size() == 2) return Answers{found[0], found[1]};
  return absl::InvalidArgumentError(absl::StrCat(
      found.size(), " answers in \"data\"; wanted the two that are compared"));
}

absl::StatusOr<Verdict> FromPairwise(const std::vector<Result>& pairwise) {
  if (pairwise.size() > 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "several pairwise results, of ", Quoted(pairwise[0].from_name), " and ",
        Quoted(pairwise[1].from_name), "; keep one of them"));
  }
  const Json& selected = Member(pairwise[0].value, "selected");
  if (selected == Json("left")) return Verdict{v1::A_BETTER, 1};
  if (selected == Json("right")) return Verdict{v1::B_BETTER, 1};
  return absl::InvalidArgumentError(
      absl::StrCat("\"selected\" is ", Quoted(DumpJson(selected)),
                   "; wanted \"left\" or \"right\""));
}

absl::StatusOr<Verdict> FromChoices(const std::vector<Result>& choices,
                                    const Answers& answers) {
  std::vector<Label> labels;
  for (const Result& result : choices) {
    const Json& picked = Member(result.value, "choices");
    if (!picked.is_array()) return WrongType("choices", "a list of texts");
    for (const Json& text : picked) {
      if (!text.is_string()) return WrongType("choices", "a list of texts");
      labels.push_back({result.from_name, text.get<std::string>()});
    }
  }
  return VerdictOfLabels(labels, answers.a, answers.b);
}

// The stars that `answer` got; nullopt if it was not rated.
absl::StatusOr<std::optional<int64_t>> FindStars(
    const std::vector<Result>& ratings, const AnswerName& answer) {
  std::optional<int64_t> stars;
  for (const Result& result : ratings) {
    if (result.to_name != answer.name) continue;
    const Json& rating = Member(result.value, "rating");
    if (!rating.is_number_integer() || rating < Json(0) ||
        rating > Json(kMaxStars)) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"rating\" is ", Quoted(DumpJson(rating)),
                       "; wanted a whole number of stars"));
    }
    if (stars.has_value()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "several ratings of ", Quoted(answer.name), "; keep one of them"));
    }
    stars = rating.get<int64_t>();
  }
  return stars;
}

absl::StatusOr<Verdict> FromRatings(const std::vector<Result>& ratings,
                                    const Answers& answers) {
  RLHF_ASSIGN_OR_RETURN(const std::optional<int64_t> a,
                        FindStars(ratings, answers.a));
  RLHF_ASSIGN_OR_RETURN(const std::optional<int64_t> b,
                        FindStars(ratings, answers.b));
  if (!a.has_value() || !b.has_value()) {
    return absl::FailedPreconditionError("no result compares the answers");
  }
  if (*a == *b) return Verdict{v1::TIE, 0};
  const int64_t lead = *a > *b ? *a - *b : *b - *a;
  return Verdict{*a > *b ? v1::A_BETTER : v1::B_BETTER,
                 static_cast<int32_t>(std::min<int64_t>(lead, 3))};
}

absl::StatusOr<Verdict> ReadVerdict(const std::vector<Result>& results,
                                    const Answers& answers) {
  std::vector<Result> pairwise, choices, ratings;
  for (const Result& result : results) {
    if (result.type == "pairwise") pairwise.push_back(result);
    if (result.type == "choices") choices.push_back(result);
    if (result.type == "rating") ratings.push_back(result);
  }
  if (!pairwise.empty()) return FromPairwise(pairwise);
  const absl::StatusOr<Verdict> chosen = FromChoices(choices, answers);
  if (!absl::IsFailedPrecondition(chosen.status())) return chosen;
  return FromRatings(ratings, answers);
}

absl::StatusOr<std::string> ReadWorker(const Json& completed_by) {
  const Json& id =
      completed_by.is_object() ? Member(completed_by, "id") : completed_by;
  if (id.is_null()) return std::string();
  if (id.is_number_integer())
    return absl::StrCat("label-studio:", DumpJson(id));
  if (id.is_string()) {
    return absl::StrCat("label-studio:", id.get<std::string>());
  }
  return WrongType("completed_by", "a user's id");
}

absl::StatusOr<double> ReadLeadTime(const Json& lead_time) {
  if (lead_time.is_null()) return 0;  // imported annotations have none
  if (!lead_time.is_number()) return WrongType("lead_time", "a number");
  return CheckSeconds(lead_time.get<double>(), "\"lead_time\"");
}

// Which judgement it is, and when it was made.
void AddPlace(const Json& annotation, const Json& task_id,
              v1::Comparison& comparison) {
  if (task_id.is_null()) return;
  SetJudgementKey({.tool = "label-studio",
                   .record = DumpJson(task_id),
                   .person = comparison.worker_id()},
                  comparison);
  comparison.set_judged_unix_ms(JudgedUnixMs(annotation, "updated_at"));
}

absl::StatusOr<v1::Comparison> ReadAnnotation(const Json& annotation,
                                              const Json& task,
                                              const v1::Prompt& prompt) {
  if (!annotation.is_object()) return WrongType("annotations", "objects");
  const Json& cancelled = Member(annotation, "was_cancelled");
  if (!cancelled.is_null() && !cancelled.is_boolean()) {
    return WrongType("was_cancelled", "true or false");
  }
  RLHF_ASSIGN_OR_RETURN(const std::vector<Result> results,
                        ReadResults(Member(annotation, "result")));
  const Json& data = task.at("data");
  RLHF_ASSIGN_OR_RETURN(const Answers answers, FindAnswers(data, results));
  Verdict verdict = {v1::SKIPPED, 0};
  if (cancelled != Json(true)) {
    RLHF_ASSIGN_OR_RETURN(verdict, ReadVerdict(results, answers));
  }
  RLHF_ASSIGN_OR_RETURN(
      v1::Comparison comparison,
      MakeComparison(prompt, data.at(answers.a.name).get<std::string>(),
                     data.at(answers.b.name).get<std::string>(), verdict));
  RLHF_ASSIGN_OR_RETURN(const std::string worker,
                        ReadWorker(Member(annotation, "completed_by")));
  RLHF_ASSIGN_OR_RETURN(const double seconds,
                        ReadLeadTime(Member(annotation, "lead_time")));
  comparison.set_worker_id(worker);
  comparison.set_worker_seconds(seconds);
  if (const Json& id = Member(annotation, "id"); !id.is_null()) {
    comparison.set_comparison_id(DumpJson(id));
  }
  AddPlace(annotation, Member(task, "id"), comparison);
  return comparison;
}

}  // namespace

bool IsLabelStudioTask(const Json& json) {
  return json.is_object() && json.contains("data") &&
         json.contains("annotations");
}

absl::StatusOr<RecordComparisons> ReadLabelStudioTask(const Json& task) {
  const Json& data = Member(task, "data");
  const Json& annotations = Member(task, "annotations");
  if (!data.is_object()) return WrongType("data", "an object");
  if (!annotations.is_array()) return WrongType("annotations", "a list");
  std::vector<std::string> names;
  for (const auto& [name, value] : data.items()) names.push_back(name);
  RLHF_ASSIGN_OR_RETURN(const std::string prompt_name, FindPromptName(names));
  RLHF_ASSIGN_OR_RETURN(const v1::Prompt prompt,
                        PromptFromJson(data.at(prompt_name)));
  RecordComparisons found;
  for (size_t i = 0; i < annotations.size(); ++i) {
    RLHF_RETURN_IF_ERROR(
        AddJudgement(ReadAnnotation(annotations[i], task, prompt),
                     absl::StrCat("annotation ", i + 1), found));
  }
  if (annotations.empty()) found.left_out.push_back("nobody judged it");
  return found;
}

}  // namespace rlhf
