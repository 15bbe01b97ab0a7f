// feedback: the service itself, and batches in and out.
#include <iostream>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/comparison_log.h"
#include "cli/config_flag.h"
#include "cli/feedback_accounts.h"
#include "cli/store_commands.h"
#include "cli/verbs.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"
#include "crowd/feedback_http_client.h"
#include "feedback/feedback_server.h"
#include "feedback/import_export.h"

namespace rlhf {
namespace {

constexpr size_t kPieceBytes = 8 << 20;
constexpr absl::Duration kPieceTimeout = absl::Seconds(60);

void Print(int64_t accepted, int64_t duplicates,
           const std::vector<RefusedLine>& refused, const std::string& name) {
  std::cout << accepted << " comparisons accepted, " << duplicates
            << " were there before, " << refused.size() << " refused\n";
  for (const RefusedLine& line : refused) {
    std::cout << name << ":" << line.line << ": " << line.reason << "\n";
  }
}

// `text` with all but the characters that any URL may hold as %XX.
std::string PercentEncoded(absl::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte) || absl::StrContains("-._~", c)) {
      encoded.push_back(c);
    } else {
      absl::StrAppendFormat(&encoded, "%%%02X", byte);
    }
  }
  return encoded;
}

// The service's answer to one piece of a batch.
absl::StatusOr<Json> PostPiece(const std::string& url, const std::string& token,
                               const std::string& piece) {
  RLHF_ASSIGN_OR_RETURN(
      const HttpReply reply,
      PostHttp(url, piece, kPieceTimeout, "application/x-ndjson", token));
  if (reply.status != 200) return HttpError(url, reply);
  absl::StatusOr<Json> json = ParseJson(reply.body);
  if (!json.ok() || !json->is_object()) {
    return absl::UnavailableError(absl::StrCat(
        url, ": HTTP ", reply.status, ": this is no feedback service"));
  }
  return json;
}

// The service has the store open, so the batch goes through its door, in pieces
// that end with a line. `refused` are the lines that it will leave out.
absl::Status ImportIntoService(const v1::RunConfig& config,
                               const ParsedComparisons& parsed,
                               const std::string& name) {
  // Whatever form the file has, our own goes over the wire: it can be cut at
  // any line.
  std::string text;
  for (const v1::Comparison& comparison : parsed.comparisons) {
    RLHF_ASSIGN_OR_RETURN(const std::string line, ComparisonLine(comparison));
    absl::StrAppend(&text, line, "\n");
  }
  const std::string url =
      absl::StrCat("http://", config.feedback().http_address(),
                   "/api/import?source=", PercentEncoded(name));
  RLHF_ASSIGN_OR_RETURN(const std::string token, OperatorToken(config));
  int64_t accepted = 0, duplicates = 0;
  size_t begin = 0;
  while (begin < text.size()) {
    size_t end = std::min(text.size(), begin + kPieceBytes);
    if (end < text.size()) {
      end = text.rfind('\n', end);
      if (end == std::string::npos || end <= begin) {
        return absl::InvalidArgumentError(
            absl::StrCat(name, ": a line of more than 8 MiB"));
      }
      ++end;
    }
    const auto json = PostPiece(url, token, text.substr(begin, end - begin));
    if (!json.ok()) {
      return WithContext(
          json.status(),
          absl::StrCat(accepted + duplicates,
                       " comparisons are stored, the rest is not; import the "
                       "file again: none is stored twice"));
    }
    accepted += json->value("accepted", int64_t{0});
    duplicates += json->value("duplicates", int64_t{0});
    begin = end;
  }
  Print(accepted, duplicates, parsed.refused, name);
  return absl::OkStatus();
}

absl::Status Import(const v1::RunConfig& config, const std::string& path) {
  RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  const std::string name = path.substr(path.rfind('/') + 1);
  // All of it must be readable before any of it is stored.
  RLHF_ASSIGN_OR_RETURN(const ParsedComparisons parsed,
                        ParseComparisons(text, name));
  StoreContext context;
  const auto store = context.Open(config);
  if (absl::IsFailedPrecondition(store.status())) {
    return ImportIntoService(config, parsed, name);
  }
  RLHF_RETURN_IF_ERROR(store.status());
  RLHF_ASSIGN_OR_RETURN(const ImportReport report,
                        ImportComparisons(store->get(), path));
  Print(report.num_accepted, report.num_duplicates, report.refused, name);
  return absl::OkStatus();
}

absl::Status Export(const v1::RunConfig& config, const std::string& path,
                    const std::string& format) {
  if (format != "rlhf" && format != "trl") {
    return absl::InvalidArgumentError(
        absl::StrCat("--format=", format, ": wanted rlhf or trl"));
  }
  RLHF_ASSIGN_OR_RETURN(const auto log, ComparisonLog::Open(config));
  RLHF_ASSIGN_OR_RETURN(
      const int64_t lines,
      ExportComparisons(
          log->num_comparisons(),
          [&](int64_t first, int64_t last) { return log->Read(first, last); },
          path, format == "trl" ? ExportFormat::kTrl : ExportFormat::kRlhf));
  std::cout << lines << " comparisons written to " << path << "\n";
  return absl::OkStatus();
}

}  // namespace

absl::Status FeedbackVerb(const Flags& flags) {
  RLHF_ASSIGN_OR_RETURN(const v1::RunConfig config, ConfigFromFlag(flags));
  const std::vector<std::string>& words = flags.positional();
  if (words.empty()) {
    InstallShutdownHandler();
    return RunFeedback(config);
  }
  if (words.size() == 2 && words[0] == "import") {
    return Import(config, words[1]);
  }
  if (words.size() == 2 && words[0] == "export") {
    return Export(config, words[1], flags.String("format"));
  }
  if (words.size() == 2 && words[0] == "backup") {
    return BackupStore(config, words[1]);
  }
  if (words.size() == 1 && words[0] == "verify") return VerifyStore(config);
  if (IsAccountsCommand(words)) return RunAccountsCommand(config, flags);
  return absl::InvalidArgumentError(
      "wanted: nothing (the service), import FILE, export FILE, backup FILE, "
      "verify, invite, accounts, token, or disable NAME");
}

}  // namespace rlhf
