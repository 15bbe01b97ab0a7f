#include <iostream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/verb.h"
#include "core/base/log.h"
#include "core/base/status_macros.h"
#include "core/config/nearest_word.h"
#include "core/launch/error_file.h"
#include "core/launch/exit_codes.h"
#include "core/launch/launch_environment.h"

namespace rlhf {
namespace {

void PrintHelp(std::ostream& out) {
  out << "rlhf: iterated online RLHF, from comparisons to policy and back\n\n";
  for (const Verb& verb : AllVerbs()) {
    out << absl::StrFormat("  rlhf %-15s %s\n", verb.name, verb.summary);
  }
  out << "\n`rlhf VERB --help` tells more.\n";
}

void PrintVerbHelp(const Verb& verb) {
  std::cout << "rlhf " << verb.name << " " << verb.arguments << "\n\n"
            << verb.summary << "\n";
  if (!verb.flags.empty()) std::cout << "\n";
  for (const FlagSpec& flag : verb.flags) {
    std::cout << absl::StrFormat("  --%-18s %s", flag.name, flag.help);
    if (!flag.default_value.empty()) {
      std::cout << " (default " << flag.default_value << ")";
    }
    std::cout << "\n";
  }
}

int UnknownVerb(const std::string& name) {
  std::vector<std::string> names;
  for (const Verb& verb : AllVerbs()) names.push_back(verb.name);
  const std::string nearest = NearestWord(name, names);
  std::cerr << "rlhf: unknown verb \"" << name << "\"";
  if (!nearest.empty()) std::cerr << "; did you mean \"" << nearest << "\"?";
  std::cerr << "\n`rlhf help` lists the verbs.\n";
  return kCallersMistake;
}

// A verb whose usage begins with a flag, or is empty, takes flags only.
absl::Status CheckArguments(const Verb& verb, const Flags& flags) {
  const bool flags_only =
      verb.arguments.empty() || absl::StartsWith(verb.arguments, "--");
  if (!flags_only || flags.positional().empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("unexpected argument \"", flags.positional()[0],
                   "\"; `rlhf ", verb.name, " --help` shows the usage"));
}

absl::Status RunVerb(const Verb& verb, const std::vector<std::string>& args) {
  RLHF_ASSIGN_OR_RETURN(const Flags flags, Flags::Parse(verb.flags, args));
  RLHF_RETURN_IF_ERROR(CheckArguments(verb, flags));
  return verb.run(flags);
}

}  // namespace

int ExitCode(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 0;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kUnimplemented:
      return kCallersMistake;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kAborted:
      return 3;
    case absl::StatusCode::kCancelled:
      return kStoppedEarly;
    default:
      return 1;
  }
}

int RunCommand(const std::vector<std::string>& args) {
  if (args.empty() || args[0] == "help" || args[0] == "--help" ||
      args[0] == "-h") {
    PrintHelp(args.empty() ? std::cerr : std::cout);
    return args.empty() ? 2 : 0;
  }
  const std::string& name = args[0] == "--version" ? "version" : args[0];
  for (const Verb& verb : AllVerbs()) {
    if (verb.name != name) continue;
    const std::vector<std::string> rest(args.begin() + 1, args.end());
    for (const std::string& arg : rest) {
      if (arg == "--help" || arg == "-h") {
        PrintVerbHelp(verb);
        return 0;
      }
    }
    SetLogRole(verb.name);
    const absl::Status status = RunVerb(verb, rest);
    if (!status.ok()) {
      const std::string message =
          absl::StrCat("rlhf ", verb.name, ": ", status.message());
      std::cerr << message << "\n";
      WriteErrorFile(ReadEnvironment(), message);
    }
    return ExitCode(status);
  }
  return UnknownVerb(name);
}

}  // namespace rlhf
