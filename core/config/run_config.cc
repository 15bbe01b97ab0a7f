#include "core/config/run_config.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <map>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "core/config/actor_checks.h"
#include "core/config/field_checks.h"
#include "core/config/listen_address.h"
#include "core/config/overrides.h"
#include "core/config/tls_checks.h"
#include "core/config/up_checks.h"

namespace rlhf {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::TextFormat;
using google::protobuf::io::ColumnNumber;

// More than the schema has.
constexpr int kMaxDepth = 32;

// Turns protobuf's errors into lines of ours. With AllowUnknownField the parser
// goes on after an unknown field and only warns, so that all of them are found:
//   Message type "rlhf.v1.PpoConfig" has no field named "learning_rat".
class ErrorLines final : public google::protobuf::io::ErrorCollector {
 public:
  ErrorLines(const std::string& path, const std::string& text)
      : path_(path), source_(absl::StrSplit(text, '\n')) {}

  void AddError(int line, ColumnNumber column,
                const std::string& message) override {
    const bool is_inside = line >= 0 && line < static_cast<int>(source_.size());
    const absl::string_view source =
        is_inside ? absl::StripAsciiWhitespace(source_[line]) : "";
    Add(line, column,
        source.empty() ? message : absl::StrCat(message, " in: ", source));
  }

  void AddWarning(int line, ColumnNumber column,
                  const std::string& message) override {
    const std::vector<std::string> parts = absl::StrSplit(message, '"');
    const Descriptor* type =
        parts.size() == 5
            ? DescriptorPool::generated_pool()->FindMessageTypeByName(parts[1])
            : nullptr;
    if (type == nullptr) return Add(line, column, message);
    // The parser has read on by then.
    const size_t start = source_[line].rfind(parts[3], column);
    Add(line, start == std::string::npos ? column : static_cast<int>(start),
        UnknownField(*type, parts[3]));
  }

  const std::vector<std::string>& lines() const { return lines_; }

 private:
  void Add(int line, ColumnNumber column, const std::string& message) {
    lines_.push_back(
        absl::StrCat(path_, ":", line + 1, ":", column + 1, ": ", message));
  }

  const std::string path_;
  const std::vector<std::string> source_;
  std::vector<std::string> lines_;
};

// Field path to where its value was given: "run.txtpb:3:5" or "--set A=B".
using Origins = std::map<std::string, std::string>;

// Of a field that was not given, the origin is that of what would hold it.
std::string OriginOf(const Origins& origins, std::string field,
                     const std::string& path) {
  while (!field.empty()) {
    const auto it = origins.find(field);
    if (it != origins.end()) return it->second;
    const size_t end = field.find_last_of(".[");
    field.resize(end == std::string::npos ? 0 : end);
  }
  return path;
}

absl::StatusOr<Origins> ParseFile(const std::string& text,
                                  const std::string& path,
                                  v1::RunConfig* config) {
  ErrorLines errors(path, text);
  TextFormat::ParseInfoTree tree;
  TextFormat::Parser parser;
  parser.RecordErrorsTo(&errors);
  parser.WriteLocationsTo(&tree);
  parser.AllowUnknownField(true);
  // A field that is not known may hold others without end.
  parser.SetRecursionLimit(kMaxDepth);
  if (!parser.ParseFromString(text, config) || !errors.lines().empty()) {
    return absl::InvalidArgumentError(absl::StrJoin(errors.lines(), "\n"));
  }
  Origins origins = FieldPlaces(*config, tree);
  for (auto& [field, place] : origins) place = absl::StrCat(path, ":", place);
  return origins;
}

absl::Status ApplyOverrides(const std::vector<std::string>& overrides,
                            v1::RunConfig* config, Origins* origins) {
  std::vector<std::string> problems;
  for (const std::string& assignment : overrides) {
    const absl::StatusOr<std::string> field = ApplyOverride(assignment, config);
    if (!field.ok()) {
      problems.emplace_back(field.status().message());
      continue;
    }
    // The elements of a list that the override replaced.
    std::erase_if(*origins, [&](const auto& origin) {
      return absl::StartsWith(origin.first, *field + "[");
    });
    (*origins)[*field] = absl::StrCat("--set ", assignment);
  }
  if (problems.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrJoin(problems, "\n"));
}

bool IsFolderName(const std::string& name) {
  for (const char c : name) {
    if (!absl::ascii_isalnum(c) && c != '-' && c != '_' && c != '.') {
      return false;
    }
  }
  return !absl::StartsWith(name, ".");
}

void CheckAlgorithm(const v1::PpoConfig& ppo,
                    std::vector<FieldProblem>& problems) {
  const int32_t group = ppo.samples_per_prompt();
  if (ppo.rollouts_per_update() % group != 0) {
    problems.push_back({"ppo.samples_per_prompt",
                        absl::StrCat("is ", group, "; wanted a divisor of the ",
                                     ppo.rollouts_per_update(),
                                     " of ppo.rollouts_per_update")});
  }
  const bool needs_group = ppo.algorithm() == v1::PpoConfig::GRPO ||
                           ppo.algorithm() == v1::PpoConfig::RLOO ||
                           ppo.algorithm() == v1::PpoConfig::BEST_OF_K;
  if (needs_group && group < 2) {
    problems.push_back(
        {"ppo.samples_per_prompt",
         absl::StrCat("is ", group, "; ",
                      v1::PpoConfig::Algorithm_Name(ppo.algorithm()),
                      " compares responses to one prompt: wanted at least 2")});
  }
  if (ppo.critic() == v1::PpoConfig::SEPARATE &&
      ppo.algorithm() != v1::PpoConfig::PPO) {
    problems.push_back(
        {"ppo.critic",
         absl::StrCat("is SEPARATE; ",
                      v1::PpoConfig::Algorithm_Name(ppo.algorithm()),
                      " has no critic: wanted ppo.algorithm PPO")});
  }
  if (ppo.critic() != v1::PpoConfig::SEPARATE && !ppo.critic_model().empty()) {
    problems.push_back(
        {"ppo.critic_model",
         absl::StrCat("is \"", ppo.critic_model(),
                      "\"; only a critic of its own starts from a model: "
                      "wanted ppo.critic SEPARATE")});
  }
  if (ppo.dual_clip() > 0 && ppo.dual_clip() <= 1) {
    problems.push_back(
        {"ppo.dual_clip",
         absl::StrCat("is ", ppo.dual_clip(), "; wanted 0 or above 1")});
  }
}

// What no single field can show.
void CheckPreference(const v1::PreferenceConfig& preference,
                     std::vector<FieldProblem>& problems) {
  const auto& refresh_at = preference.refresh_at();
  for (int i = 1; i < refresh_at.size(); ++i) {
    if (refresh_at[i] > refresh_at[i - 1]) continue;
    problems.push_back(
        {absl::StrCat("preference.refresh_at[", i, "]"),
         absl::StrCat("is ", refresh_at[i], "; wanted more than the ",
                      refresh_at[i - 1], " before it")});
  }
  std::set<std::string> names = {"test"};
  for (int i = 0; i < preference.objectives_size(); ++i) {
    const std::string& name = preference.objectives(i).name();
    const std::string path =
        absl::StrCat("preference.objectives[", i, "].name");
    if (!IsFolderName(name)) {
      problems.push_back(
          {path, absl::StrCat("is \"", name,
                              "\"; it names a folder: wanted letters, digits, "
                              "\"-\" and \"_\"")});
      continue;
    }
    // The further models of an ensemble are NAME-2, NAME-3, …
    for (int n = 1; n <= preference.ensemble_size(); ++n) {
      const std::string member = n == 1 ? name : absl::StrCat(name, "-", n);
      if (names.insert(member).second) continue;
      problems.push_back(
          {path,
           absl::StrCat("makes a PM member \"", member,
                        member == "test" ? "\", which is the test PM's name"
                                         : "\", as another objective does")});
    }
  }
}

// What a PM that rewards some updates on trial cannot stand beside.
void CheckCanary(const v1::RunConfig& config,
                 std::vector<FieldProblem>& problems) {
  if (config.preference().gate().canary_updates() == 0) return;
  const char* const field = "preference.gate.canary_updates";
  const v1::SwapConfig& swap = config.ppo().on_swap();
  if (swap.restart_policy() || swap.num_updates() > 0) {
    problems.push_back({field,
                        "would make every turn between the serving PM and the "
                        "canary a swap: wanted no ppo.on_swap"});
  }
  if (config.ppo().sentinel().action() == v1::SentinelConfig::PAUSE) {
    problems.push_back(
        {field,
         "cannot reward updates that the sentinel does not "
         "allow: wanted another ppo.sentinel.action than PAUSE"});
  }
  if (config.learner().on_divergence() == v1::LearnerConfig::STOP) {
    problems.push_back({field,
                        "could end the run by an update on trial: wanted "
                        "learner.on_divergence SKIP or ROLL_BACK"});
  }
}

// What a swap of the PM, and the sentinel, need of other parts.
void CheckSwap(const v1::RunConfig& config,
               std::vector<FieldProblem>& problems) {
  const v1::SwapConfig& swap = config.ppo().on_swap();
  if (swap.critic_only() && (config.ppo().critic() != v1::PpoConfig::SEPARATE ||
                             config.ppo().algorithm() != v1::PpoConfig::PPO)) {
    problems.push_back({"ppo.on_swap.critic_only",
                        "needs a critic of its own: ppo.algorithm PPO and "
                        "ppo.critic SEPARATE"});
  }
  if (swap.restart_policy() && config.ppo().max_staleness() > 0) {
    problems.push_back(
        {"ppo.on_swap.restart_policy",
         "would train the new policy on what the old one sampled ahead: wanted "
         "ppo.max_staleness 0"});
  }
  CheckCanary(config, problems);
  if (config.ppo().sentinel().window() > 0 && !config.preference().test_pm()) {
    problems.push_back({"ppo.sentinel.window",
                        "needs a PM that only watches: preference.test_pm"});
  }
}

// Whom the test cannot tell apart, and gold that is not there.
void CheckWorkers(const v1::FeedbackConfig& feedback,
                  std::vector<FieldProblem>& problems) {
  const double good = feedback.worker_test().good_accuracy();
  const double bad = feedback.worker_test().bad_accuracy();
  if (bad > good - 0.05) {
    problems.push_back(
        {"feedback.worker_test.bad_accuracy",
         absl::StrCat("is ", bad, "; wanted at least 0.05 below the ", good,
                      " of feedback.worker_test.good_accuracy")});
  }
  if (feedback.gold_share() > 0 && feedback.gold_questions().empty()) {
    problems.push_back(
        {"feedback.gold_share", absl::StrCat("is ", feedback.gold_share(),
                                             "; wanted a file of questions in "
                                             "feedback.gold_questions, or 0")});
  }
}

// What a login rules out, and what must not be without one.
void CheckAccess(const v1::RunConfig& config,
                 std::vector<FieldProblem>& problems) {
  const v1::AccessConfig& access = config.feedback().access();
  if (access.require_login() && config.crowd().workers_size() > 0) {
    problems.push_back({"crowd.workers",
                        "are simulated and have no accounts: wanted none, or "
                        "feedback.access.require_login false"});
  }
  if (!access.require_login() && !access.public_origin().empty()) {
    problems.push_back({"feedback.access.public_origin",
                        "would let anybody in: wanted "
                        "feedback.access.require_login true"});
  }
}

std::vector<FieldProblem> CheckTogether(const v1::RunConfig& config) {
  std::vector<FieldProblem> problems;
  if (!IsFolderName(config.name())) {
    problems.push_back(
        {"name", absl::StrCat("is \"", config.name(),
                              "\"; it names a folder: wanted letters, digits, "
                              "\"-\", \"_\" and \".\", not first a \".\"")});
  }
  if (config.runs_dir().empty()) {
    problems.push_back({"runs_dir", "is empty; wanted a folder, such as runs"});
  }
  const v1::PpoConfig& ppo = config.ppo();
  if (ppo.num_minibatches() > ppo.rollouts_per_update()) {
    problems.push_back(
        {"ppo.num_minibatches",
         absl::StrCat("is ", ppo.num_minibatches(), "; wanted at most the ",
                      ppo.rollouts_per_update(),
                      " of ppo.rollouts_per_update")});
  }
  CheckAlgorithm(ppo, problems);
  if (config.learner().lora().rank() > 0 &&
      config.learner().sharding() == v1::LearnerConfig::SHARDED) {
    problems.push_back(
        {"learner.lora.rank",
         absl::StrCat("is ", config.learner().lora().rank(),
                      "; adapters are small and not shared out: wanted "
                      "learner.sharding REPLICATED")});
  }
  CheckPreference(config.preference(), problems);
  CheckSwap(config, problems);
  CheckActor(config, problems);
  CheckListenHost(config, problems);
  CheckUp(config, problems);
  CheckTls(config, problems);
  CheckWorkers(config.feedback(), problems);
  CheckAccess(config, problems);
  std::set<std::string> worker_ids;
  for (int i = 0; i < config.crowd().workers_size(); ++i) {
    const std::string& id = config.crowd().workers(i).worker_id();
    if (worker_ids.insert(id).second) continue;
    problems.push_back(
        {absl::StrCat("crowd.workers[", i, "].worker_id"),
         absl::StrCat("is \"", id, "\", as is another worker's")});
  }
  return problems;
}

// Sets every singular field that has no value to its default, so that printing
// shows it.
void WriteDefaults(Message* message) {
  const Reflection* reflection = message->GetReflection();
  const Descriptor* descriptor = message->GetDescriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor* field = descriptor->field(i);
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      if (!field->is_repeated()) {
        WriteDefaults(reflection->MutableMessage(message, field));
        continue;
      }
      for (int k = 0; k < reflection->FieldSize(*message, field); ++k) {
        WriteDefaults(reflection->MutableRepeatedMessage(message, field, k));
      }
      continue;
    }
    if (field->is_repeated() || reflection->HasField(*message, field)) continue;
    std::string text;
    TextFormat::PrintFieldValueToString(*message, field, -1, &text);
    TextFormat::ParseFieldValueFromString(text, field, message);
  }
}

std::vector<FieldProblem> FindProblems(const v1::RunConfig& config) {
  std::vector<FieldProblem> problems = CheckFields(config, HasTls(config));
  for (FieldProblem& problem : CheckTogether(config)) {
    problems.push_back(std::move(problem));
  }
  return problems;
}

}  // namespace

absl::StatusOr<v1::RunConfig> ParseRunConfig(
    const std::string& text, const std::string& path,
    const std::vector<std::string>& overrides) {
  v1::RunConfig config;
  RLHF_ASSIGN_OR_RETURN(Origins origins, ParseFile(text, path, &config));
  RLHF_RETURN_IF_ERROR(ApplyOverrides(overrides, &config, &origins));
  std::vector<std::string> lines;
  for (const FieldProblem& problem : FindProblems(config)) {
    lines.push_back(absl::StrCat(OriginOf(origins, problem.path, path), ": ",
                                 problem.path, " ", problem.message));
  }
  if (lines.empty()) return config;
  return absl::InvalidArgumentError(absl::StrJoin(lines, "\n"));
}

absl::StatusOr<v1::RunConfig> LoadRunConfig(
    const std::string& path, const std::vector<std::string>& overrides) {
  RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  return ParseRunConfig(text, path, overrides);
}

absl::Status CheckRunConfig(const v1::RunConfig& config) {
  std::vector<std::string> lines;
  for (const FieldProblem& problem : FindProblems(config)) {
    lines.push_back(absl::StrCat(problem.path, " ", problem.message));
  }
  return lines.empty() ? absl::OkStatus()
                       : absl::InvalidArgumentError(absl::StrJoin(lines, "\n"));
}

std::string ResolvedText(const v1::RunConfig& config) {
  v1::RunConfig whole = config;
  WriteDefaults(&whole);
  std::string text;
  TextFormat::PrintToString(whole, &text);
  return text;
}

std::vector<std::string> DiffConfigs(const v1::RunConfig& old_config,
                                     const v1::RunConfig& new_config) {
  return CompareFields(old_config, new_config);
}

std::string RunDirectory(const v1::RunConfig& config) {
  return absl::StrCat(config.runs_dir(), "/", config.name());
}

}  // namespace rlhf
