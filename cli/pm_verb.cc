// pm: the preference models of a run, and who may serve.
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "cli/config_flag.h"
#include "cli/human_format.h"
#include "cli/pm_eval.h"
#include "cli/pm_influence.h"
#include "cli/pm_plots.h"
#include "cli/pm_train.h"
#include "cli/verbs.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/status_macros.h"
#include "core/comparisons/stack_exchange.h"
#include "core/config/run_config.h"
#include "core/registry/model_registry.h"
#include "core/registry/pm_members.h"
#include "rlhf/v1/report.pb.h"
#include "trainer/run_log.h"

namespace rlhf {
namespace {

ModelRegistry RegistryOf(const v1::RunConfig& config) {
  return ModelRegistry(absl::StrCat(RunDirectory(config), "/registry/pm"));
}

// The names under which `version` is known.
std::vector<std::string> AliasesOf(const Aliases& aliases, int64_t version) {
  std::vector<std::string> names;
  for (const auto& [name, target] : aliases) {
    if (target == version) names.push_back(name);
  }
  return names;
}

// What the refresher told of each version last, trials included; before it has,
// what the version's card says. nullopt for a version that has no report.
class ToldReports {
 public:
  static absl::StatusOr<ToldReports> Read(const v1::RunConfig& config) {
    ToldReports reports;
    RLHF_ASSIGN_OR_RETURN(const std::vector<v1::PmReport> told,
                          ReadPmReports(RunDirectory(config)));
    for (const v1::PmReport& report : told) {
      reports.told_[report.pm().version()] = report;
    }
    return reports;
  }

  std::optional<v1::PmReport> Of(int64_t version, const Json& card) const {
    const auto it = told_.find(version);
    return it != told_.end() ? it->second : ReportOf(card);
  }

 private:
  std::map<int64_t, v1::PmReport> told_;
};

absl::Status List(const ModelRegistry& registry, const ToldReports& reports,
                  bool json) {
  RLHF_ASSIGN_OR_RETURN(const std::vector<Transition> history,
                        registry.Transitions());
  const Aliases aliases = history.empty() ? Aliases() : history.back().aliases;
  if (!json && registry.Versions().empty()) {
    std::cout << "no PM yet\n";
    return absl::OkStatus();
  }
  if (!json) {
    std::cout << absl::StrFormat("%-4s %-19s %11s  %-27s %s\n", "PM", "is",
                                 "trained on", "held-out accuracy", "gate");
  }
  for (const int64_t version : registry.Versions()) {
    RLHF_ASSIGN_OR_RETURN(Json card, registry.Card(version));
    const std::vector<std::string> names = AliasesOf(aliases, version);
    if (json) {
      card["aliases"] = names;
      std::cout << DumpJson(card) << "\n";
      continue;
    }
    std::cout << absl::StrFormat("v%-3d %-19s ", version,
                                 absl::StrJoin(names, ","));
    const std::optional<v1::PmReport> told = reports.Of(version, card);
    if (!told.has_value()) {
      std::cout << "published without a report\n";
      continue;
    }
    const v1::PmReport& report = *told;
    const std::string accuracy =
        absl::StrFormat("%.3f [%.3f, %.3f] on %d", report.held_out_accuracy(),
                        report.held_out_accuracy_low(),
                        report.held_out_accuracy_high(), report.num_held_out());
    // The whole verdict is in the history.
    std::cout << absl::StrFormat("%5d pairs  %-27s %s\n", report.num_train(),
                                 accuracy,
                                 report.promoted() ? "promoted" : "refused");
  }
  return absl::OkStatus();
}

absl::Status History(const ModelRegistry& registry, bool json) {
  RLHF_ASSIGN_OR_RETURN(const std::vector<Transition> history,
                        registry.Transitions());
  for (const Transition& transition : history) {
    const std::string time = absl::FormatTime(
        "%Y-%m-%dT%H:%M:%SZ", transition.time, absl::UTCTimeZone());
    if (json) {
      std::cout << DumpJson({{"seq", transition.seq},
                             {"time", time},
                             {"by", transition.cause.by},
                             {"reason", transition.cause.reason},
                             {"aliases", transition.aliases}})
                << "\n";
      continue;
    }
    std::cout << absl::StrFormat(
        "%4d  %s  %-10s %-44s %s\n", transition.seq, time, transition.cause.by,
        absl::StrJoin(transition.aliases, " ",
                      [](std::string* out, const auto& alias) {
                        absl::StrAppend(out, alias.first, "=v", alias.second);
                      }),
        transition.cause.reason);
  }
  return absl::OkStatus();
}

// A person's decision has a name and a reason.
absl::StatusOr<TransitionCause> CauseOf(const Flags& flags) {
  TransitionCause cause{.by = flags.String("by"),
                        .reason = flags.String("reason")};
  if (cause.by.empty() || cause.reason.empty()) {
    return absl::InvalidArgumentError(
        "--by NAME and --reason TEXT are needed: the record keeps who moved "
        "the alias, and why");
  }
  return cause;
}

absl::StatusOr<int64_t> VersionOf(const std::string& word) {
  int64_t version = 0;
  if (absl::SimpleAtoi(absl::StripPrefix(word, "v"), &version)) return version;
  return absl::InvalidArgumentError(
      absl::StrCat("\"", word, "\" is no version; wanted a number"));
}

// What one PM was trained on, what it is worth and what the gate said of it.
absl::Status Show(const ModelRegistry& registry, const ToldReports& reports,
                  const std::string& word, bool json) {
  RLHF_ASSIGN_OR_RETURN(const int64_t version, VersionOf(word));
  RLHF_ASSIGN_OR_RETURN(const Json card, registry.Card(version));
  if (json) {
    std::cout << DumpJson(card) << "\n";
    return absl::OkStatus();
  }
  const std::optional<v1::PmReport> told = reports.Of(version, card);
  if (!told.has_value()) {
    std::cout << "PM v" << version << " was published without a report\n";
    return absl::OkStatus();
  }
  const v1::PmReport& report = *told;
  RLHF_ASSIGN_OR_RETURN(const PmMembers members, PmMembersOf(card));
  std::cout << absl::StrFormat(
      "PM v%d  digest %s\ntrained on %d pairs of the first %d comparisons in "
      "%s, loss %.3f to %.3f nats\n",
      version, card.value("digest", ""), report.num_train(),
      report.data().last_seq(), HumanSeconds(report.train_seconds()),
      report.train_loss_first(), report.train_loss_last());
  for (const PmMember& member : members.members) {
    if (members.members.size() == 1) break;
    std::cout << absl::StrFormat(
        "member %-14s %s\n", member.name,
        member.objective.empty()
            ? "only watches"
            : absl::StrFormat("%s, weight %g", member.objective,
                              member.weight));
  }
  std::cout << "\n";
  for (const v1::GateCheck& check : report.checks()) {
    std::cout << absl::StrFormat("%-7s %-24s %s\n",
                                 check.passed() ? "passed" : "REFUSED",
                                 check.name(), check.detail());
  }
  if (card.contains("held_out")) {
    std::cout << "\n";
    PrintMeasurement(card["held_out"]);
  }
  if (card.contains("worker_model")) PrintWorkerModel(card["worker_model"]);
  return absl::OkStatus();
}

absl::Status Promote(const ModelRegistry& registry, const std::string& word,
                     const TransitionCause& cause) {
  RLHF_ASSIGN_OR_RETURN(const int64_t version, VersionOf(word));
  RLHF_RETURN_IF_ERROR(registry.Verify(version));
  RLHF_ASSIGN_OR_RETURN(const std::optional<int64_t> serving,
                        registry.Alias("serving"));
  RLHF_RETURN_IF_ERROR(registry.Promote(version, serving, cause));
  std::cout << "PM version " << version << " serves"
            << (serving.has_value()
                    ? absl::StrCat("; version ", *serving, " did before")
                    : "")
            << "\n";
  return absl::OkStatus();
}

// Ranked pairs out of a StackExchange dump, to pre-train a PM on.
absl::Status MakePairs(const std::string& path, const Flags& flags) {
  const std::string& out = flags.String("out");
  if (out.empty()) {
    return absl::InvalidArgumentError("--out FILE is needed");
  }
  std::ifstream posts(path, std::ios::binary);
  if (!posts) return absl::NotFoundError(absl::StrCat("cannot open ", path));
  // Renamed when it is whole.
  const std::string unfinished = out + ".unfinished";
  std::ofstream pairs(unfinished, std::ios::binary);
  const auto counts =
      ConvertStackExchange(posts,
                           {.max_pairs_per_question = flags.Int("max-pairs"),
                            .binarise = flags.Bool("binarise")},
                           pairs);
  pairs.close();
  if (!counts.ok()) return WithContext(counts.status(), path);
  if (!pairs || std::rename(unfinished.c_str(), out.c_str()) != 0) {
    return ErrnoStatus(errno, "write", out);
  }
  std::cout << absl::StrFormat(
      "%d pairs of %d questions in %s; read %d questions and %d answers\n",
      counts->num_pairs, counts->num_questions_used, out, counts->num_questions,
      counts->num_answers);
  return absl::OkStatus();
}

void AddMeasurementPlots(int64_t version, const Json& held_out,
                         std::map<std::string, Plot>& plots) {
  const std::string name = absl::StrCat("-v", version);
  const std::string of = absl::StrCat(" of PM v", version);
  plots["calibration" + name] = CalibrationPlot("Calibration" + of, held_out);
  plots["slices" + name] = SlicePlot("Accuracy by slice" + of, held_out);
  plots["agreement" + name] =
      AgreementPlot("Agreement" + of + " and workers", held_out);
  plots["scores" + name] = ScorePlot("Scores" + of, held_out);
  plots["tranches" + name] = TranchePlot("Tranches" + of, held_out);
}

// SVG pictures of a run into the folder --out.
absl::Status DrawPlots(const v1::RunConfig& config, const std::string& folder) {
  if (folder.empty()) {
    return absl::InvalidArgumentError("--out FOLDER is needed");
  }
  const ModelRegistry registry = RegistryOf(config);
  RLHF_ASSIGN_OR_RETURN(const std::vector<v1::UpdateReport> updates,
                        ReadUpdates(RunDirectory(config)));
  std::map<std::string, Plot> plots = {{"reward", RewardPlot(updates)},
                                       {"sqrt_kl", SqrtKlPlot(updates)}};
  for (const int64_t version : registry.Versions()) {
    RLHF_ASSIGN_OR_RETURN(const Json card, registry.Card(version));
    if (!card.contains("held_out")) continue;
    AddMeasurementPlots(version, card["held_out"], plots);
  }
  RLHF_RETURN_IF_ERROR(MakeDirectories(folder));
  for (const auto& [name, plot] : plots) {
    const std::string path = absl::StrCat(folder, "/", name, ".svg");
    RLHF_RETURN_IF_ERROR(WriteFileAtomically(path, RenderSvg(plot)));
    std::cout << path << "\n";
  }
  return absl::OkStatus();
}

// Of the version that `words` name, else of the serving one.
absl::Status Influence(const v1::RunConfig& config,
                       const std::vector<std::string>& words,
                       const Flags& flags) {
  std::optional<int64_t> version;
  if (words.size() == 2) {
    RLHF_ASSIGN_OR_RETURN(version, VersionOf(words[1]));
  } else {
    RLHF_ASSIGN_OR_RETURN(version, RegistryOf(config).Alias("serving"));
  }
  if (!version.has_value()) {
    return absl::FailedPreconditionError(
        "no PM serves yet; name one: pm influence VERSION");
  }
  return ReportInfluence(config, *version, flags.Int("top"),
                         flags.Bool("json"));
}

absl::Status RollBack(const ModelRegistry& registry,
                      const TransitionCause& cause) {
  RLHF_ASSIGN_OR_RETURN(const int64_t version, registry.RollBack(cause));
  std::cout << "PM version " << version << " serves again\n";
  return absl::OkStatus();
}

}  // namespace

absl::Status PmVerb(const Flags& flags) {
  const std::vector<std::string>& words = flags.positional();
  const bool json = flags.Bool("json");
  if (words.size() == 2 && words[0] == "eval") {
    if (flags.String("model").empty()) {
      return absl::InvalidArgumentError("--model is needed");
    }
    return EvaluatePm(flags.String("model"), words[1], flags.String("device"),
                      json);
  }
  if (words.size() >= 2 && words[0] == "train") {
    return TrainPm(flags, {words.begin() + 1, words.end()});
  }
  if (words.size() == 2 && words[0] == "pairs") {
    return MakePairs(words[1], flags);
  }
  const std::string what = words.empty() ? "" : words[0];
  const size_t wanted = what == "promote" || what == "show" ? 2 : 1;
  if ((what != "list" && what != "show" && what != "history" &&
       what != "promote" && what != "rollback" && what != "plots" &&
       what != "influence") ||
      (words.size() != wanted && !(what == "influence" && words.size() == 2))) {
    return absl::InvalidArgumentError(
        "wanted: list, show VERSION, history, promote VERSION, rollback, eval "
        "FILE, train FILE..., pairs POSTS.xml, influence [VERSION], or plots");
  }
  RLHF_ASSIGN_OR_RETURN(const v1::RunConfig config, ConfigFromFlag(flags));
  if (what == "influence") return Influence(config, words, flags);
  if (what == "plots") return DrawPlots(config, flags.String("out"));
  const ModelRegistry registry = RegistryOf(config);
  if (what == "list" || what == "show") {
    RLHF_ASSIGN_OR_RETURN(const ToldReports reports, ToldReports::Read(config));
    return what == "list" ? List(registry, reports, json)
                          : Show(registry, reports, words[1], json);
  }
  if (what == "history") return History(registry, json);
  RLHF_ASSIGN_OR_RETURN(const TransitionCause cause, CauseOf(flags));
  return what == "promote" ? Promote(registry, words[1], cause)
                           : RollBack(registry, cause);
}

}  // namespace rlhf
