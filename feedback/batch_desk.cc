#include "feedback/batch_desk.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/status_macros.h"
#include "core/comparisons/choice.h"
#include "feedback/batch/batch_report.h"
#include "feedback/import_export.h"

namespace rlhf {
namespace {

// Comparisons read from the log at once.
constexpr int64_t kPageRows = 1000;

// Comparisons that the serving PM is asked about: enough to tell 0.5 from 0.6,
// few enough for a reward server that works for the learner.
constexpr size_t kPmSample = 200;

constexpr size_t kMaxRefusedShown = 1000;

constexpr size_t kMaxNameBytes = 128;

std::string BatchIdOf(absl::string_view text) {
  return absl::StrCat("b-", Sha256Hex(text).substr(0, 24));
}

// It is shown, stored with each comparison, and counted by.
absl::Status CheckName(absl::string_view name) {
  const bool printable = std::none_of(
      name.begin(), name.end(),
      [](unsigned char byte) { return byte < 0x20 || byte == 0x7F; });
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
  report.set_batch_id(BatchIdOf(file.text));
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
    kept.sides_known.push_back(parsed.sides_known[i]);
  }
  parsed = std::move(kept);
  return static_cast<int32_t>(num_before - parsed.comparisons.size());
}

// A file's word does not count for, or against, our own workers, and does not
// say which of this run's models took part.
void MakeImported(const std::string& source, v1::Comparison& comparison) {
  if (!IsImported(comparison)) {
    // Who is not named is called as the source is.
    if (comparison.worker_id() == comparison.source()) {
      comparison.set_worker_id(source);
    }
    comparison.set_source(source);
  }
  comparison.set_policy_version_a(-1);
  comparison.set_policy_version_b(-1);
  comparison.clear_pm_version();
}

// The comparison with the better response as it was rewritten: what is learned
// from it, and so what the PM is asked about.
v1::Comparison WithEdit(v1::Comparison comparison) {
  if (comparison.edited_response().empty()) return comparison;
  std::string* const better = comparison.choice() == v1::A_BETTER
                                  ? comparison.mutable_response_a()
                                  : comparison.mutable_response_b();
  *better = comparison.edited_response();
  return comparison;
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
      metrics_(metrics) {}

absl::StatusOr<v1::BatchReport> BatchDesk::Import(const File& file) {
  RLHF_RETURN_IF_ERROR(CheckName(file.name));
  RLHF_ASSIGN_OR_RETURN(std::optional<v1::BatchReport> seen, FindSeen(file));
  if (seen.has_value()) return *std::move(seen);
  ReadableComparisons read = ParseReadable(file.text, file.name);
  v1::BatchReport report = StartReport(file, read, clock_->Now());
  const PmOpinions pm = AskPm(read.parsed);

  MutexLock lock(&mutex_);
  // Somebody else may have handed it in while the PM was asked.
  RLHF_ASSIGN_OR_RETURN(seen, FindSeen(file));
  if (seen.has_value()) return *std::move(seen);
  report.set_num_of_retracted_workers(LeaveOut(
      [this](const v1::Comparison& c) { return IsOfRetractedWorker(c); },
      read.parsed));
  RLHF_RETURN_IF_ERROR(Judge(read, pm, report));
  if (file.dry_run) return report;
  std::vector<v1::Comparison> comparisons = std::move(read.parsed.comparisons);
  report.set_num_gold(RemoveGold(options_.gold, comparisons));
  const std::string batch_id = file.single ? "" : report.batch_id();
  if (report.verdict() == v1::BATCH_ACCEPTED) {
    RLHF_RETURN_IF_ERROR(Store(std::move(comparisons), batch_id, report));
    comparisons.clear();
  }
  if (report.verdict() != v1::BATCH_ACCEPTED || !file.single) {
    RLHF_RETURN_IF_ERROR(Keep(comparisons, report));
  }
  Count(report);
  return report;
}

bool BatchDesk::IsOfRetractedWorker(const v1::Comparison& comparison) const {
  // Without a worker's name it says the file's, which is nobody.
  return HasWorker(comparison) &&
         store_->IsRetractedWorker(comparison.worker_id());
}

absl::StatusOr<std::optional<v1::BatchReport>> BatchDesk::FindSeen(
    const File& file) const {
  const absl::StatusOr<Batch> known = store_->GetBatch(BatchIdOf(file.text));
  if (absl::IsNotFound(known.status())) return std::nullopt;
  RLHF_RETURN_IF_ERROR(known.status());
  RLHF_ASSIGN_OR_RETURN(v1::BatchReport report, ReportNow(*known));
  // What could not be read is not kept, but here it is again.
  TellUnread(ParseReadable(file.text, file.name), report);
  return SeenBefore(std::move(report), file.dry_run);
}

absl::Status BatchDesk::Judge(const ReadableComparisons& read,
                              const PmOpinions& pm, v1::BatchReport& report) {
  if (report.num_of_retracted_workers() > 0 &&
      read.parsed.comparisons.empty()) {
    SetVerdict({.kind = BatchVerdictKind::kRefused,
                .reason = "worker retracted: nobody else speaks in it"},
               report);
    return absl::OkStatus();
  }
  BatchEvidence evidence;
  if (!options_.enabled) {
    // As a small batch: nothing malformed, and no shares.
    evidence.malformed = {.count = read.num_malformed,
                          .total = std::min<int64_t>(
                              read.num_records, options_.limits.min_size - 1)};
    evidence.malformed.count =
        std::min(evidence.malformed.count, evidence.malformed.total);
    SetVerdict(JudgeBatch(evidence, options_.limits), report);
    report.set_reason("the batch gate is off");
    return absl::OkStatus();
  }
  RLHF_ASSIGN_OR_RETURN(const bool stored,
                        IsStored(read.parsed.comparisons, report.batch_id()));
  if (stored) {
    // The service stopped between storing them and writing the report.
    SetVerdict({.reason = "its comparisons were stored before"}, report);
    return absl::OkStatus();
  }
  RLHF_RETURN_IF_ERROR(CatchUp());
  std::vector<BatchItem> items;
  for (size_t i = 0; i < read.parsed.comparisons.size(); ++i) {
    const v1::Comparison& comparison = read.parsed.comparisons[i];
    items.push_back(
        {.comparison = &comparison, .sides_known = read.parsed.sides_known[i]});
    const auto margin = pm.margins.find(comparison.comparison_id());
    if (margin != pm.margins.end()) items.back().pm_margin = margin->second;
  }
  evidence = MeasureBatch(items, {.index = &index_,
                                  .profile = &profile_,
                                  .gold = &options_.gold,
                                  .min_log_size = options_.limits.min_size,
                                  .min_seconds = options_.min_seconds});
  evidence.malformed = {.count = read.num_malformed, .total = read.num_records};
  evidence.no_pm = pm.why_none;
  SetVerdict(JudgeBatch(evidence, options_.limits), report);
  return absl::OkStatus();
}

// What is before the newest that the index holds is not read.
absl::Status BatchDesk::CatchUp() {
  const int64_t last = store_->GetStats().num_comparisons;
  const auto capacity = static_cast<int64_t>(ComparisonIndex::kLogCapacity);
  next_seq_ = std::max(next_seq_, last - capacity + 1);
  while (next_seq_ <= last) {
    RLHF_ASSIGN_OR_RETURN(
        const std::vector<v1::Comparison> page,
        store_->Read(next_seq_, std::min(last, next_seq_ + kPageRows - 1)));
    for (const v1::Comparison& comparison : page) {
      if (comparison.choice() == v1::RETRACTED || IsGold(comparison)) continue;
      const ComparisonKey key = KeyOf(comparison);
      index_.Add(key, NearKeyOf(comparison, key.pair));
      profile_.Add(TraitsOf(comparison));
    }
    next_seq_ += kPageRows;
  }
  next_seq_ = last + 1;
  return absl::OkStatus();
}

BatchDesk::PmOpinions BatchDesk::AskPm(const ParsedComparisons& parsed) const {
  if (margins_ == nullptr) return {.why_none = "no PM is asked"};
  if (!options_.enabled || static_cast<int64_t>(parsed.comparisons.size()) <
                               options_.limits.min_size) {
    return {};
  }
  std::vector<v1::Comparison> decided;
  for (const v1::Comparison& comparison : parsed.comparisons) {
    if (IsDecided(comparison)) decided.push_back(WithEdit(comparison));
  }
  std::vector<const v1::Comparison*> asked;
  const size_t count = std::min(kPmSample, decided.size());
  for (size_t i = 0; i < count; ++i) {
    asked.push_back(&decided[i * decided.size() / count]);
  }
  const auto margins = margins_(asked);
  if (!margins.ok()) {
    return {.why_none = std::string(margins.status().message())};
  }
  PmOpinions opinions;
  for (size_t i = 0; i < asked.size() && i < margins->size(); ++i) {
    opinions.margins[asked[i]->comparison_id()] = (*margins)[i];
  }
  return opinions;
}

absl::StatusOr<bool> BatchDesk::IsStored(
    const std::vector<v1::Comparison>& comparisons,
    const std::string& batch_id) const {
  bool some = false;
  for (const v1::Comparison& comparison : comparisons) {
    if (AnswersGold(options_.gold, comparison)) continue;  // never stored
    RLHF_ASSIGN_OR_RETURN(const std::optional<v1::Comparison> stored,
                          store_->Find(comparison.comparison_id()));
    if (!stored.has_value() || stored->batch_id() != batch_id) return false;
    some = true;
  }
  return some;
}

absl::Status BatchDesk::Store(std::vector<v1::Comparison> comparisons,
                              const std::string& batch_id,
                              v1::BatchReport& report) {
  std::vector<v1::Comparison> wanted;
  for (v1::Comparison& comparison : comparisons) {
    RLHF_ASSIGN_OR_RETURN(const std::optional<v1::Comparison> stored,
                          store_->Find(comparison.comparison_id()));
    if (stored.has_value() && stored->choice() == v1::RETRACTED) {
      report.set_num_retracted(report.num_retracted() + 1);
      continue;
    }
    if (!stored.has_value()) {
      comparison.set_batch_id(batch_id);
      MakeImported(report.source(), comparison);
    } else {
      // It belongs to the batch that it came in first, or to our own tasks.
      comparison.set_batch_id(stored->batch_id());
      if (IsImported(*stored)) {
        MakeImported(report.source(), comparison);
      } else {
        comparison.set_source(stored->source());
      }
    }
    wanted.push_back(std::move(comparison));
  }
  RLHF_ASSIGN_OR_RETURN(const std::vector<PreferenceStore::Appended> appended,
                        append_(wanted));
  int32_t duplicates = 0;
  for (const PreferenceStore::Appended& one : appended) {
    duplicates += one.duplicate ? 1 : 0;
  }
  report.set_accepted(static_cast<int32_t>(appended.size()) - duplicates);
  report.set_duplicates(duplicates);
  return absl::OkStatus();
}

absl::Status BatchDesk::Keep(const std::vector<v1::Comparison>& comparisons,
                             const v1::BatchReport& report) {
  Batch batch = {.batch_id = report.batch_id(),
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
