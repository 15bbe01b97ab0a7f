#include "core/comparisons/argilla.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/comparisons/argilla_responses.h"
#include "core/comparisons/judgement_key.h"

namespace rlhf {
namespace {

constexpr int64_t kMaxRank = 1'000'000;

// What is judged.
struct Task {
  v1::Prompt prompt;
  std::vector<AnswerName> answers;
  std::vector<std::string> texts;  // of the answers
  std::string id;
};

// One answer's place in a ranking.
struct Ranked {
  size_t answer = 0;
  std::optional<int64_t> rank;
};

// What annotators saw beside the prompt, after an empty line.
void AddContext(const Json& fields, v1::Prompt& prompt) {
  const Json& context = ArgillaMember(fields, "context");
  if (context.is_string() && !context.get<std::string>().empty()) {
    absl::StrAppend(prompt.mutable_messages()->rbegin()->mutable_content(),
                    "\n\n", context.get<std::string>());
  }
}

absl::StatusOr<Task> FindTask(const Json& record) {
  const Json& fields = record.contains("fields") ? record.at("fields") : record;
  if (!fields.is_object()) {
    return absl::InvalidArgumentError("\"fields\" must be an object");
  }
  std::vector<std::string> names, texts;
  for (const auto& [name, value] : fields.items()) {
    // Columns with a point belong to questions.
    if (value.is_null() || absl::StrContains(name, '.')) continue;
    names.push_back(name);
    if (value.is_string()) texts.push_back(name);
  }
  Task task;
  RLHF_ASSIGN_OR_RETURN(const std::string prompt, FindPromptName(names));
  RLHF_ASSIGN_OR_RETURN(task.prompt, PromptFromJson(fields.at(prompt)));
  RLHF_ASSIGN_OR_RETURN(task.answers, FindAnswerNames(texts));
  for (const AnswerName& answer : task.answers) {
    task.texts.push_back(fields.at(answer.name).get<std::string>());
  }
  AddContext(fields, task.prompt);
  const Json& id = ArgillaMember(record, "id");
  RLHF_ASSIGN_OR_RETURN(
      task.id,
      ArgillaId(id.is_null() ? ArgillaMember(record, "external_id") : id,
                "id"));
  return task;
}

std::optional<size_t> FindAnswer(const Task& task, const Json& name) {
  if (!name.is_string()) return std::nullopt;
  for (size_t i = 0; i < task.answers.size(); ++i) {
    if (IsSameName(task.answers[i].name, name.get<std::string>())) return i;
  }
  return std::nullopt;
}

absl::StatusOr<std::optional<int64_t>> ReadRank(const Json& entry) {
  const Json rank = entry.is_object() ? ArgillaMember(entry, "rank") : Json();
  if (rank.is_null()) return std::optional<int64_t>();
  if (!rank.is_number_integer() || rank < Json(0) || rank > Json(kMaxRank)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"rank\" is ", DumpJson(rank),
                     "; wanted a whole number, 1 for the best"));
  }
  return std::optional<int64_t>(rank.get<int64_t>());
}

// Gives ranks to a list without any, as of 2.x: its order is the ranking.
absl::Status CompleteRanks(std::vector<Ranked>& ranking, const Task& task) {
  size_t num_ranks = 0;
  std::vector<bool> seen(task.answers.size());
  for (const Ranked& ranked : ranking) {
    num_ranks += ranked.rank.has_value() ? 1 : 0;
    if (seen[ranked.answer]) {
      return absl::InvalidArgumentError(absl::StrCat(
          Quoted(task.answers[ranked.answer].name), " is ranked twice"));
    }
    seen[ranked.answer] = true;
  }
  if (num_ranks != 0 && num_ranks != ranking.size()) {
    return absl::InvalidArgumentError("some answers have a \"rank\", some not");
  }
  for (size_t i = 0; i < ranking.size() && num_ranks == 0; ++i) {
    ranking[i].rank = static_cast<int64_t>(i) + 1;
  }
  return absl::OkStatus();
}

// The ranking that `list` is; empty if it is none of the answers.
absl::StatusOr<std::vector<Ranked>> ReadRanking(const Json& list,
                                                const Task& task) {
  std::vector<Ranked> ranking;
  if (!list.is_array() || list.size() < 2) return ranking;
  for (const Json& entry : list) {
    const auto answer = FindAnswer(
        task, entry.is_object() ? ArgillaMember(entry, "value") : entry);
    if (!answer.has_value()) return std::vector<Ranked>();
    RLHF_ASSIGN_OR_RETURN(const std::optional<int64_t> rank, ReadRank(entry));
    ranking.push_back({*answer, rank});
  }
  RLHF_RETURN_IF_ERROR(CompleteRanks(ranking, task));
  return ranking;
}

// The one ranking among the values, in order of the answers; empty if there is
// none.
absl::StatusOr<std::vector<Ranked>> FindRanking(const ArgillaResponse& response,
                                                const Task& task) {
  std::vector<Ranked> found;
  for (const auto& [question, value] : response.values) {
    auto ranking = ReadRanking(value, task);
    RLHF_RETURN_IF_ERROR(WithContext(ranking.status(), question));
    if (ranking->empty()) continue;
    if (!found.empty()) {
      return absl::InvalidArgumentError(
          "several questions rank the answers; keep one of them");
    }
    found = *std::move(ranking);
  }
  std::sort(found.begin(), found.end(), [](const Ranked& a, const Ranked& b) {
    return a.answer < b.answer;
  });
  return found;
}

absl::StatusOr<v1::Comparison> Compare(const Task& task, size_t a, size_t b,
                                       const ArgillaResponse& response,
                                       const Verdict& verdict) {
  RLHF_ASSIGN_OR_RETURN(
      v1::Comparison comparison,
      MakeComparison(task.prompt, task.texts[a], task.texts[b], verdict));
  comparison.set_comparison_id(task.id);
  comparison.set_worker_id(response.user);
  comparison.set_judged_unix_ms(response.updated_unix_ms);
  SetJudgementKey(
      {.tool = "argilla", .record = task.id, .person = response.user},
      comparison);
  return comparison;
}

// What a response without a ranking says of the two answers.
absl::StatusOr<v1::Comparison> CompareTheTwo(const Task& task,
                                             const ArgillaResponse& response) {
  if (task.answers.size() > 2) {
    return absl::FailedPreconditionError(
        absl::StrCat("no ranking of the ", task.answers.size(), " answers"));
  }
  if (response.status == "discarded") {
    return Compare(task, 0, 1, response, {v1::SKIPPED, 0});
  }
  std::vector<Label> labels;
  for (const auto& [question, value] : response.values) {
    if (value.is_null()) continue;
    labels.push_back({question, value.is_string() ? value.get<std::string>()
                                                  : DumpJson(value)});
  }
  RLHF_ASSIGN_OR_RETURN(
      const Verdict verdict,
      VerdictOfLabels(labels, task.answers[0], task.answers[1]));
  return Compare(task, 0, 1, response, verdict);
}

Verdict VerdictOfRanks(const Ranked& a, const Ranked& b) {
  if (a.rank == b.rank) return {v1::TIE, 0};
  return {a.rank < b.rank ? v1::A_BETTER : v1::B_BETTER, 1};
}

absl::Status AddRanking(const Task& task, const std::vector<Ranked>& ranking,
                        const ArgillaResponse& response,
                        RecordComparisons& found) {
  for (size_t i = 0; i < ranking.size(); ++i) {
    for (size_t j = i + 1; j < ranking.size(); ++j) {
      RLHF_RETURN_IF_ERROR(AddJudgement(
          Compare(task, ranking[i].answer, ranking[j].answer, response,
                  VerdictOfRanks(ranking[i], ranking[j])),
          response.user, found));
    }
  }
  return absl::OkStatus();
}

absl::Status AddResponse(const Task& task, const ArgillaResponse& response,
                         RecordComparisons& found) {
  const std::string& status = response.status;
  if (status == "draft" || status == "pending" || status == "missing") {
    return AddJudgement(absl::FailedPreconditionError("not submitted"),
                        response.user, found);
  }
  if (status == "discarded") {
    return AddJudgement(CompareTheTwo(task, response), response.user, found);
  }
  if (!status.empty() && status != "submitted") {
    return absl::InvalidArgumentError(absl::StrCat(
        "status ", Quoted(status), "; wanted submitted, discarded or draft"));
  }
  RLHF_ASSIGN_OR_RETURN(const std::vector<Ranked> ranking,
                        FindRanking(response, task));
  if (!ranking.empty()) return AddRanking(task, ranking, response, found);
  return AddJudgement(CompareTheTwo(task, response), response.user, found);
}

}  // namespace

absl::StatusOr<RecordComparisons> ReadArgillaRecord(const Json& record) {
  RLHF_ASSIGN_OR_RETURN(const Task task, FindTask(record));
  RLHF_ASSIGN_OR_RETURN(const std::vector<ArgillaResponse> responses,
                        FindArgillaResponses(record));
  RecordComparisons found;
  for (const ArgillaResponse& response : responses) {
    RLHF_RETURN_IF_ERROR(AddResponse(task, response, found));
  }
  if (responses.empty()) found.left_out.push_back("nobody judged it");
  return found;
}

}  // namespace rlhf
