#include "feedback/batch_desk.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/status_macros.h"
#include "core/comparisons/choice.h"
#include "core/text/byte_level.h"
#include "feedback/batch/batch_report.h"
#include "feedback/import_export.h"
#include "feedback/imported_origin.h"

namespace rlhf {
namespace {

constexpr size_t kMaxRefusedShown = 1000;

constexpr size_t kMaxNameBytes = 128;

// What cannot be read under this name may be under another, as another batch.
std::string BatchIdOf(const BatchDesk::File& file) {
  const std::string digest = HasKnownForm(file.text, file.name)
                                 ? Sha256Hex(file.text)
                                 : Sha256Hex(absl::StrCat(file.text, "\n?"));
  return absl::StrCat("b-", digest.substr(0, 24));
}

// It is shown, stored with each comparison, and counted by.
absl::Status CheckName(absl::string_view name) {
  const bool printable =
      ReplaceInvalidUtf8(name) == name &&
      std::none_of(name.begin(), name.end(), [](unsigned char byte) {
        return byte < 0x20 || byte == 0x7F;
      });
  if (printable && name.size() <= kMaxNameBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the name of the batch has ", name.size(), " bytes",
                   printable ? "" : ", some of which cannot be printed",
                   "; wanted at most ", kMaxNameBytes, " printable ones"));
}

// What was found when the batch came first. What was taken back as a whole does
// not come again.
v1::BatchReport SeenBefore(v1::BatchReport report, bool dry_run) {
  report.set_seen_before(true);
  if (report.has_retraction()) {
    report.set_verdict(v1::BATCH_REFUSED);
    report.set_reason(absl::StrCat("the batch was retracted by ",
                                   report.retraction().by(), ": ",
                                   report.retraction().reason()));
  }
  report.set_dry_run(dry_run);
  report.set_duplicates(report.duplicates() + report.accepted());
  report.set_accepted(0);
  return report;
}

// The records that are malformed or no preference.
void TellUnread(const ReadableComparisons& read, v1::BatchReport& report) {
  report.mutable_malformed()->Assign(read.malformed.begin(),
                                     read.malformed.end());
  report.set_num_refused(static_cast<int32_t>(read.parsed.refused.size()));
  report.clear_refused();
  for (const RefusedLine& line : read.parsed.refused) {
    if (report.refused_size() == kMaxRefusedShown) break;
    v1::RefusedRecord* const refused = report.add_refused();
    refused->set_line(static_cast<int32_t>(line.line));
    refused->set_reason(line.reason);
  }
}

// What reading alone tells.
v1::BatchReport StartReport(const BatchDesk::File& file,
                            const ReadableComparisons& read,
                            absl::Time received) {
  v1::BatchReport report;
  report.set_batch_id(BatchIdOf(file));
  report.set_source(absl::StrCat("import:", file.name));
  report.set_dry_run(file.dry_run);
  report.set_received_unix_ms(absl::ToUnixMillis(received));
  report.set_num_records(static_cast<int32_t>(read.num_records));
  report.set_num_malformed(static_cast<int32_t>(read.num_malformed));
  report.set_num_comparisons(
      static_cast<int32_t>(read.parsed.comparisons.size()));
  TellUnread(read, report);
  return report;
}

// Also an answer to a gold question of another run, which judged a worker there
// and says nothing that was not told before.
bool AnswersGold(const GoldAnswers& gold, const v1::Comparison& comparison) {
  return IsGold(comparison) ||
         (!gold.empty() && gold.contains(KeyOf(comparison).pair));
}

// When each judgement of a labelling tool was made, if the tool does not say it
// or says a time to come: when it came in.
void StampJudgements(int64_t received_unix_ms, ParsedComparisons& parsed) {
  for (v1::Comparison& comparison : parsed.comparisons) {
    const int64_t judged = comparison.judged_unix_ms();
    if (comparison.judgement_key().empty()) {
      comparison.clear_judged_unix_ms();
    } else if (judged <= 0 || judged > received_unix_ms) {
      comparison.set_judged_unix_ms(received_unix_ms);
    }
  }
}

// Takes the answers to gold questions out; returns how many.
int32_t RemoveGold(const GoldAnswers& gold,
                   std::vector<v1::Comparison>& comparisons) {
  const auto end = std::remove_if(
      comparisons.begin(), comparisons.end(),
      [&](const v1::Comparison& c) { return AnswersGold(gold, c); });
  const auto removed = static_cast<int32_t>(comparisons.end() - end);
  comparisons.erase(end, comparisons.end());
  return removed;
}

// Takes out the comparisons that `is_unwanted`, with what is told of each;
// returns how many.
template <typename Predicate>
int32_t LeaveOut(Predicate is_unwanted, ParsedComparisons& parsed) {
  ParsedComparisons kept = {.refused = std::move(parsed.refused)};
  const size_t num_before = parsed.comparisons.size();
  for (size_t i = 0; i < num_before; ++i) {
    if (is_unwanted(parsed.comparisons[i])) continue;
    kept.comparisons.push_back(std::move(parsed.comparisons[i]));
    kept.lines.push_back(parsed.lines[i]);
  }
  parsed = std::move(kept);
  return static_cast<int32_t>(num_before - parsed.comparisons.size());
}

}  // namespace

BatchDesk::BatchDesk(Options options, PreferenceStore* store, Append append,
                     PmMargins margins, const Clock* clock,
                     FeedbackMetrics* metrics)
    : options_(std::move(options)),
      store_(store),
      append_(std::move(append)),
      margins_(std::move(margins)),
      clock_(clock),
      metrics_(metrics),
      memory_(store, &options_.limits, options_.min_seconds, &options_.gold),
      judgements_(store) {}

absl::StatusOr<std::vector<const v1::Comparison*>> BatchDesk::NewsOf(
    const std::vector<v1::Comparison>& comparisons) {
  MutexLock lock(&mutex_);
  RLHF_ASSIGN_OR_RETURN(const std::vector<JudgementPlacing> placings,
                        judgements_.PlacingsOf(comparisons));
  std::vector<const v1::Comparison*> news;
  for (size_t i = 0; i < comparisons.size(); ++i) {
    if (placings[i] == JudgementPlacing::kNew) news.push_back(&comparisons[i]);
  }
  return news;
}

absl::StatusOr<v1::BatchReport> BatchDesk::Import(const File& file) {
  RLHF_RETURN_IF_ERROR(CheckName(file.name));
  RLHF_ASSIGN_OR_RETURN(std::optional<v1::BatchReport> seen, FindSeen(file));
  if (seen.has_value()) return *std::move(seen);
  ReadableComparisons read = ParseReadable(file.text, file.name);
  v1::BatchReport report = StartReport(file, read, clock_->Now());
  StampJudgements(report.received_unix_ms(), read.parsed);
  PmOpinions pm;
  if (options_.enabled) {
    RLHF_ASSIGN_OR_RETURN(const std::vector<const v1::Comparison*> news,
                          NewsOf(read.parsed.comparisons));
    pm = AskPm(margins_, news);
  }
  while (true) {
    if (options_.enabled) RLHF_RETURN_IF_ERROR(PrepareMemory());
    MutexLock lock(&mutex_);
    // A retraction just now made it forget: not read while others wait.
    if (options_.enabled && !memory_.is_read()) continue;
    return TakeIn(file, std::move(read), pm, std::move(report));
  }
}

absl::StatusOr<v1::BatchReport> BatchDesk::TakeIn(const File& file,
                                                  ReadableComparisons read,
                                                  const PmOpinions& pm,
                                                  v1::BatchReport report) {
  // Somebody else may have handed it in while the PM was asked.
  RLHF_ASSIGN_OR_RETURN(std::optional<v1::BatchReport> seen, FindSeen(file));
  if (seen.has_value()) return *std::move(seen);
  report.set_num_of_retracted_workers(LeaveOut(
      [this](const v1::Comparison& c) { return IsOfRetractedWorker(c); },
      read.parsed));
  const std::string origin =
      BatchMemory::OriginOf(report.source(), file.single);
  DripWindow::Entry drip;
  if (!read.parsed.comparisons.empty() || !RefuseEmpty(file.single, report)) {
    RLHF_ASSIGN_OR_RETURN(drip.evidence, Judge(read, pm, origin, report));
  }
  if (file.dry_run) return report;
  std::vector<v1::Comparison> comparisons = std::move(read.parsed.comparisons);
  report.set_num_gold(RemoveGold(options_.gold, comparisons));
  const std::string batch_id = file.single ? "" : report.batch_id();
  if (report.verdict() == v1::BATCH_ACCEPTED) {
    RLHF_ASSIGN_OR_RETURN(drip.comparison_ids,
                          Store(std::move(comparisons), batch_id, report));
    comparisons.clear();
    drip.batch_id = batch_id;
    memory_.Remember(origin, std::move(drip), report);
  }
  if (report.verdict() != v1::BATCH_ACCEPTED || !file.single) {
    RLHF_RETURN_IF_ERROR(Keep(comparisons, report));
  }
  Count(report);
  // As ReportNow tells it: of a batch that was cut off and is taken in again.
  report.set_num_retracted(
      report.num_retracted() +
      static_cast<int32_t>(store_->NumRetractedOfBatch(batch_id)));
  return report;
}

bool BatchDesk::IsOfRetractedWorker(const v1::Comparison& comparison) const {
  // Without a worker's name it says the file's, which is nobody.
  return HasWorker(comparison) &&
         store_->IsRetractedWorker(comparison.worker_id());
}

absl::StatusOr<std::optional<v1::BatchReport>> BatchDesk::FindSeen(
    const File& file) const {
  const absl::StatusOr<StoredBatch> known = store_->GetBatch(BatchIdOf(file));
  if (absl::IsNotFound(known.status())) return std::nullopt;
  RLHF_RETURN_IF_ERROR(known.status());
  RLHF_ASSIGN_OR_RETURN(v1::BatchReport report, ReportNow(*known));
  // What could not be read is not kept, but here it is again.
  TellUnread(ParseReadable(file.text, file.name), report);
  return SeenBefore(std::move(report), file.dry_run);
}

absl::StatusOr<std::vector<std::string>> BatchDesk::Store(
    std::vector<v1::Comparison> comparisons, const std::string& batch_id,
    v1::BatchReport& report) {
  RLHF_ASSIGN_OR_RETURN(const int32_t num_outdated,
                        judgements_.Arrange(comparisons));
  report.set_num_outdated(num_outdated);
  std::vector<v1::Comparison> wanted;
  for (v1::Comparison& comparison : comparisons) {
    RLHF_ASSIGN_OR_RETURN(const std::optional<v1::Comparison> stored,
                          store_->Find(comparison.comparison_id()));
    const bool is_retracted =
        stored.has_value()
            ? stored->choice() == v1::RETRACTED
            : store_->IsRetractedComparison(comparison.comparison_id());
    if (is_retracted) {
      // Those of the batch itself, which was cut off, ReportNow counts.
      const bool is_ours = stored.has_value() && !batch_id.empty() &&
                           stored->batch_id() == batch_id;
      report.set_num_retracted(report.num_retracted() + (is_ours ? 0 : 1));
      continue;
    }
    if (!stored.has_value()) {
      comparison.set_batch_id(batch_id);
      MakeImported(report.source(), comparison);
    } else {
      // It belongs to the batch that it came in first, or to our own tasks.
      comparison.set_batch_id(stored->batch_id());
      if (IsJudgedHere(*stored)) {
        comparison.set_source(stored->source());
      } else {
        MakeImportedAs(*stored, comparison);
      }
    }
    wanted.push_back(std::move(comparison));
  }
  RLHF_ASSIGN_OR_RETURN(const std::vector<PreferenceStore::Appended> appended,
                        append_(wanted));
  std::vector<std::string> added;
  bool has_judgements = false;
  for (size_t i = 0; i < appended.size(); ++i) {
    has_judgements |= !wanted[i].judgement_key().empty();
    if (!appended[i].duplicate) added.push_back(wanted[i].comparison_id());
  }
  const auto num_added = static_cast<int32_t>(added.size());
  report.set_accepted(num_added);
  report.set_duplicates(static_cast<int32_t>(appended.size()) - num_added);
  if (has_judgements) {
    RLHF_ASSIGN_OR_RETURN(const int32_t num_replaced,
                          judgements_.ReplaceOlder());
    report.set_num_replaced(num_replaced);
  }
  return added;
}

absl::Status BatchDesk::Keep(const std::vector<v1::Comparison>& comparisons,
                             const v1::BatchReport& report) {
  StoredBatch batch = {.batch_id = report.batch_id(),
                       .source = report.source(),
                       .received_unix_ms = report.received_unix_ms(),
                       .state = StateOf(report),
                       .report = BatchReportJson(WithoutQuotes(report))};
  if (batch.state == BatchState::kQuarantined) {
    RLHF_ASSIGN_OR_RETURN(batch.payload, ComparisonLines(comparisons));
  }
  return store_->AddBatch(batch);
}

void BatchDesk::Count(const v1::BatchReport& report) {
  metrics_->batches.Of(BatchStateWord(report)).Increment();
  if (report.has_decision()) return;
  for (const v1::BatchReportFinding& finding : report.findings()) {
    if (finding.passed()) continue;
    metrics_->batch_findings.Of(finding.check()).Increment();
  }
  if (report.verdict() != v1::BATCH_ACCEPTED) {
    RLHF_LOG(WARNING) << "batch " << report.batch_id() << " ("
                      << report.source() << ") is " << BatchStateWord(report)
                      << ": " << report.reason();
  }
}

absl::StatusOr<BatchDesk::Options> BatchDeskOptions(
    const v1::FeedbackConfig& config) {
  BatchDesk::Options options = {
      .enabled = config.batch_gate().enabled(),
      .limits = LimitsOf(config),
      .min_seconds = config.batch_gate().min_seconds()};
  if (!config.gold_questions().empty()) {
    RLHF_ASSIGN_OR_RETURN(const ParsedComparisons gold,
                          ReadComparisons(config.gold_questions()));
    options.gold = MakeGoldAnswers(gold.comparisons);
  }
  return options;
}

}  // namespace rlhf
