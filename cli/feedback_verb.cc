// feedback: the service itself, batches in and out, and the store and accounts.
#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "cli/comparison_log.h"
#include "cli/config_flag.h"
#include "cli/feedback_accounts.h"
#include "cli/feedback_batches.h"
#include "cli/store_commands.h"
#include "cli/verbs.h"
#include "core/base/counted.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"
#include "feedback/feedback_server.h"
#include "feedback/import_export.h"

namespace rlhf {
namespace {

// Lines alone, for a program that reads them.
absl::Status ExportToStandardOutput(int64_t num_comparisons,
                                    const ComparisonReader& read,
                                    ExportFormat format) {
  RLHF_RETURN_IF_ERROR(ForEachExportLine(num_comparisons, read, format,
                                         [](absl::string_view line) {
                                           std::cout << line;
                                           return absl::OkStatus();
                                         })
                           .status());
  if (std::cout.flush()) return absl::OkStatus();
  return absl::UnavailableError("standard output takes no more: is it full?");
}

absl::Status Export(const v1::RunConfig& config, const std::string& path,
                    const std::string& format) {
  if (format != "rlhf" && format != "trl") {
    return absl::InvalidArgumentError(
        absl::StrCat("--format=", format, ": wanted rlhf or trl"));
  }
  const auto form = format == "trl" ? ExportFormat::kTrl : ExportFormat::kRlhf;
  RLHF_ASSIGN_OR_RETURN(const auto log, ComparisonLog::Open(config));
  const ComparisonReader read = [&](int64_t first, int64_t last) {
    return log->Read(first, last);
  };
  const int64_t num_comparisons = log->num_comparisons();
  if (path == "-") return ExportToStandardOutput(num_comparisons, read, form);
  RLHF_ASSIGN_OR_RETURN(const int64_t lines,
                        ExportComparisons(num_comparisons, read, path, form));
  std::cout << Counted(lines, "comparison") << " written to " << path << "\n";
  return absl::OkStatus();
}

struct Command {
  absl::string_view name;
  // What follows the name.
  absl::string_view argument = "";
  bool may_lack_argument = false;
  // Beside --config and --set; none of them with an argument that may lack.
  absl::string_view flags = "";
  // Who does it and why is wanted, and kept.
  bool is_kept = false;
  absl::Status (*run)(const v1::RunConfig& config, const Flags& flags);
};

// What follows the command's name.
const std::string& Argument(const Flags& flags) {
  return flags.positional()[1];
}

constexpr Command kService = {
    .run = [](const v1::RunConfig& config, const Flags&) {
      InstallShutdownHandler();
      return RunFeedback(config);
    }};

constexpr Command kCommands[] = {
    {.name = "import",
     .argument = "FILE",
     .flags = "dry-run",
     .run =
         [](const v1::RunConfig& config, const Flags& flags) {
           return ImportBatch(config, Argument(flags), flags.Bool("dry-run"));
         }},
    {.name = "export",
     .argument = "FILE",
     .flags = "format",
     .run =
         [](const v1::RunConfig& config, const Flags& flags) {
           return Export(config, Argument(flags), flags.String("format"));
         }},
    {.name = "batches",
     .argument = "ID",
     .may_lack_argument = true,
     .flags = "last before",
     .run =
         [](const v1::RunConfig& config, const Flags& flags) {
           return flags.positional().size() == 1
                      ? ListBatches(config, flags)
                      : ShowBatch(config, Argument(flags));
         }},
    {.name = "release",
     .argument = "ID",
     .flags = "by reason",
     .is_kept = true,
     .run =
         [](const v1::RunConfig& config, const Flags& flags) {
           return DecideBatch(config, flags, Argument(flags), /*release=*/true);
         }},
    {.name = "refuse",
     .argument = "ID",
     .flags = "by reason",
     .is_kept = true,
     .run =
         [](const v1::RunConfig& config, const Flags& flags) {
           return DecideBatch(config, flags, Argument(flags),
                              /*release=*/false);
         }},
    {.name = "retract",
     .flags = "worker batch comparison suspects-of by reason",
     .is_kept = true,
     .run = RetractComparisons},
    {.name = "backup",
     .argument = "FILE",
     .run =
         [](const v1::RunConfig& config, const Flags& flags) {
           return BackupStore(config, Argument(flags));
         }},
    {.name = "verify",
     .run = [](const v1::RunConfig& config,
               const Flags&) { return VerifyStore(config); }},
    {.name = "invite", .flags = "role name hours", .run = RunAccountsCommand},
    {.name = "accounts", .run = RunAccountsCommand},
    {.name = "token", .flags = "role name", .run = RunAccountsCommand},
    {.name = "disable", .argument = "NAME", .run = RunAccountsCommand},
};

std::string Usage(const Command& command) {
  std::string usage(command.name);
  if (command.argument.empty()) return usage;
  return command.may_lack_argument
             ? absl::StrCat(usage, " [", command.argument, "]")
             : absl::StrCat(usage, " ", command.argument);
}

std::string AllUsages() {
  std::string all = "nothing (the service)";
  for (const Command& command : kCommands) {
    absl::StrAppend(&all, ", ", Usage(command));
  }
  return all;
}

// The command that `words` name; the service if there are none.
//
// Errors: InvalidArgument if there is no such command, or if it takes another
// number of words.
absl::StatusOr<Command> FindCommand(const std::vector<std::string>& words) {
  if (words.empty()) return kService;
  for (const Command& command : kCommands) {
    if (command.name != words[0]) continue;
    const size_t most = command.argument.empty() ? 1 : 2;
    const size_t least = command.may_lack_argument ? 1 : most;
    if (words.size() >= least && words.size() <= most) return command;
    return absl::InvalidArgumentError(
        absl::StrCat("wanted: rlhf feedback ", Usage(command), " --config C",
                     command.is_kept ? " --by NAME --reason WHY" : ""));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "there is no command \"", words[0], "\"; wanted: ", AllUsages()));
}

// An error if a flag is given that the command would pass over.
absl::Status CheckFlags(const Command& command, const Flags& flags) {
  const bool has_argument = flags.positional().size() > 1;
  const bool takes_none = command.may_lack_argument && has_argument;
  const std::vector<std::string> taken =
      absl::StrSplit(takes_none ? "" : command.flags, ' ', absl::SkipEmpty());
  for (const std::string& flag : flags.Given()) {
    if (flag == "config" || flag == "set" ||
        std::find(taken.begin(), taken.end(), flag) != taken.end()) {
      continue;
    }
    return absl::InvalidArgumentError(absl::StrCat(
        "rlhf feedback", command.name.empty() ? "" : " ", command.name,
        takes_none ? " " : "", takes_none ? command.argument : "",
        " takes no --", flag,
        command.name == "import" ? ": the form is found by the contents" : "",
        taken.empty() ? "" : "; it takes --", absl::StrJoin(taken, ", --")));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status FeedbackVerb(const Flags& flags) {
  const std::vector<std::string>& words = flags.positional();
  RLHF_ASSIGN_OR_RETURN(const Command command, FindCommand(words));
  RLHF_RETURN_IF_ERROR(CheckFlags(command, flags));
  RLHF_ASSIGN_OR_RETURN(const v1::RunConfig config, ConfigFromFlag(flags));
  return command.run(config, flags);
}

}  // namespace rlhf
