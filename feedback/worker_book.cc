#include "feedback/worker_book.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/base/log.h"
#include "core/base/status_macros.h"
#include "feedback/access/private_file.h"
#include "feedback/access/secrets.h"

namespace rlhf {
namespace {

// With fewer, a worker meets questions again before qualifying.
constexpr size_t kFewestGold = 30;

absl::StatusOr<std::map<std::string, std::string>> ReadGroups(
    const std::string& path) {
  std::map<std::string, std::string> groups;
  if (!FileExists(path)) return groups;
  RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  const absl::StatusOr<Json> json = ParseJson(text);
  RLHF_RETURN_IF_ERROR(WithContext(json.status(), path));
  if (!json->is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, " is no JSON object; wanted {\"WORKER\": \"GROUP\", …}"));
  }
  for (const auto& [worker_id, group] : json->items()) {
    auto name = GetString(*json, worker_id);
    RLHF_RETURN_IF_ERROR(WithContext(name.status(), path));
    groups[worker_id] = *std::move(name);
  }
  return groups;
}

// A number in [0, 1) of a worker and the answers so far: nobody foresees it
// who does not know the secret, and a restart draws the same.
double Draw(const std::string& secret, const std::string& worker_id,
            int64_t num_answers) {
  const uint64_t key = Xxh3(HmacSha256Hex(
      secret, absl::StrCat("draw/", worker_id, "/", num_answers)));
  return static_cast<double>(key >> 11) * 0x1p-53;
}

}  // namespace

WorkerBook::WorkerBook(Options options)
    : options_(std::move(options)),
      words_(options_.words),
      ledger_(options_.rule) {
  for (const auto& [worker_id, word] : words_) {
    if (!word.paused) ledger_.RestartTest(worker_id, word.seq);
  }
}

absl::StatusOr<std::unique_ptr<WorkerBook>> WorkerBook::Open(
    const v1::RunConfig& config, const std::string& folder) {
  const v1::FeedbackConfig& feedback = config.feedback();
  Options options;
  options.gold_share = feedback.gold_share();
  RLHF_ASSIGN_OR_RETURN(options.secret, LoadTaskSecret(folder));
  options.pauses_path = folder + "/pauses.json";
  RLHF_ASSIGN_OR_RETURN(options.words, ReadPersonsWords(options.pauses_path));
  RLHF_ASSIGN_OR_RETURN(options.groups, ReadGroups(folder + "/groups.json"));
  auto rule = MakeWorkerTestRule(feedback.worker_test());
  RLHF_RETURN_IF_ERROR(WithContext(rule.status(), "feedback"));
  options.rule = *rule;
  if (options.gold_share > 0) {
    auto gold = GoldQuestions::Read(feedback.gold_questions());
    RLHF_RETURN_IF_ERROR(WithContext(gold.status(), "feedback.gold_questions"));
    options.gold = *std::move(gold);
    if (options.gold.size() < kFewestGold) {
      RLHF_LOG(WARNING) << "feedback.gold_questions has only "
                        << options.gold.size()
                        << " questions, which workers will meet again before "
                           "they have qualified; wanted at least "
                        << kFewestGold;
    }
  }
  return std::make_unique<WorkerBook>(std::move(options));
}

absl::StatusOr<std::string> LoadTaskSecret(const std::string& folder) {
  RLHF_RETURN_IF_ERROR(MakeDirectories(folder));
  return LoadOrCreateSecret(folder + "/task_secret");
}

void WorkerBook::Add(const v1::Comparison& comparison) {
  ledger_.Add(comparison);
}

bool WorkerBook::IsPaused(const std::string& worker_id) const {
  const auto word = words_.find(worker_id);
  return (word != words_.end() && word->second.paused) ||
         ledger_.VerdictOf(worker_id) == WorkerVerdict::kPaused;
}

absl::Status WorkerBook::CheckMayWork(const std::string& worker_id) const {
  if (!IsPaused(worker_id)) return absl::OkStatus();
  return absl::PermissionDeniedError(
      "your work is paused; what you have done is kept, and thank you for it. "
      "Please ask whoever invited you how to go on");
}

std::optional<Task> WorkerBook::NextGold(const std::string& worker_id) const {
  if (options_.gold_share <= 0 || options_.gold.empty()) return std::nullopt;
  const bool qualified = ledger_.VerdictOf(worker_id) == WorkerVerdict::kGood;
  if (qualified && Draw(options_.secret, worker_id,
                        ledger_.NumAnswers(worker_id)) >= options_.gold_share) {
    return std::nullopt;
  }
  return options_.gold.Ask(worker_id, ledger_.NumGold(worker_id),
                           options_.secret);
}

void WorkerBook::SetWord(const std::string& worker_id,
                         const PersonsWord& word) {
  words_[worker_id] = word;
  if (!word.paused) ledger_.RestartTest(worker_id, word.seq);
}

PersonsWords WorkerBook::WordsWith(const std::string& worker_id,
                                   const PersonsWord& word) const {
  PersonsWords words = words_;
  words[worker_id] = word;
  return words;
}

std::string WorkerBook::GroupOf(const std::string& worker_id) const {
  const auto group = options_.groups.find(worker_id);
  return group == options_.groups.end() ? "" : group->second;
}

WorkerStatus WorkerBook::StatusOf(WorkerView view) const {
  WorkerStatus status = {.view = std::move(view)};
  status.paused = IsPaused(status.view.worker_id);
  if (!status.paused) return status;
  const auto word = words_.find(status.view.worker_id);
  if (word != words_.end() && word->second.paused) {
    status.paused_by = word->second.by;
    status.paused_reason = word->second.reason;
  } else {
    status.paused_by = "test";
    status.paused_reason =
        absl::StrCat(status.view.num_gold_right, " of ", status.view.num_gold,
                     " gold questions right");
  }
  return status;
}

std::vector<WorkerStatus> WorkerBook::Workers() const {
  std::vector<WorkerStatus> workers;
  std::set<std::string> listed;
  for (WorkerView& view : ledger_.Workers()) {
    listed.insert(view.worker_id);
    workers.push_back(StatusOf(std::move(view)));
  }
  for (const auto& [worker_id, word] : words_) {
    if (listed.contains(worker_id)) continue;
    WorkerView view;
    view.worker_id = worker_id;
    workers.push_back(StatusOf(std::move(view)));
  }
  return workers;
}

int WorkerBook::NumPaused() const {
  std::set<std::string> paused = ledger_.PausedWorkers();
  for (const auto& [worker_id, word] : words_) {
    if (word.paused) paused.insert(worker_id);
  }
  return static_cast<int>(paused.size());
}

}  // namespace rlhf
