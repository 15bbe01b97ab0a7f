#include "feedback/requester_api.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/json.h"
#include "core/base/status_macros.h"
#include "core/text/byte_level.h"
#include "feedback/api_responses.h"
#include "feedback/comparison_pages.h"
#include "feedback/import_export.h"

namespace rlhf {
namespace {

constexpr int64_t kMaxShown = 100;
constexpr size_t kMaxPms = 50;
// Of each text in the list.
constexpr size_t kMaxListedBytes = 8 * 1024;
constexpr int64_t kMaxCounted = 50'000;

// The whole number of a query, `otherwise` if it is not given.
absl::StatusOr<int64_t> GetNumber(const HttpRequest& request,
                                  const std::string& name, int64_t otherwise,
                                  int64_t max) {
  const auto found = request.query.find(name);
  if (found == request.query.end()) return otherwise;
  int64_t number = 0;
  if (!absl::SimpleAtoi(found->second, &number) || number < 1 || number > max) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", name, "\" is \"", found->second,
                     "\"; it must be a whole number from 1 to ", max));
  }
  return number;
}

absl::StatusOr<ExportFormat> GetFormat(const HttpRequest& request) {
  const auto found = request.query.find("format");
  if (found == request.query.end() || found->second == "rlhf") {
    return ExportFormat::kRlhf;
  }
  if (found->second == "trl") return ExportFormat::kTrl;
  return absl::InvalidArgumentError(absl::StrCat(
      "\"format\" is \"", found->second, "\"; it must be rlhf or trl"));
}

void CutForList(std::string& text) {
  if (text.size() <= kMaxListedBytes) return;
  text = absl::StrCat(CutUtf8(text, kMaxListedBytes), "… (of ", text.size(),
                      " bytes; an export has all)");
}

// The comparison as a page that shows many of them can bear it.
v1::Comparison ForList(v1::Comparison comparison) {
  for (v1::Message& message :
       *comparison.mutable_prompt()->mutable_messages()) {
    CutForList(*message.mutable_content());
  }
  CutForList(*comparison.mutable_response_a());
  CutForList(*comparison.mutable_response_b());
  CutForList(*comparison.mutable_edited_response());
  return comparison;
}

// Lines of the comparisons from `next` on, which is moved behind them; empty
// only if there are none up to `end`. A page of them is in memory at a time.
absl::StatusOr<std::string> NextLines(const PreferenceStore& store,
                                      ExportFormat format, int64_t end,
                                      int64_t& next) {
  std::string lines;
  while (lines.empty() && next <= end) {
    const int64_t last = std::min(end, next + kComparisonsAtOnce - 1);
    RLHF_ASSIGN_OR_RETURN(const std::vector<v1::Comparison> rows,
                          store.Read(next, last));
    for (const v1::Comparison& row : rows) {
      RLHF_ASSIGN_OR_RETURN(const std::string line, ExportLine(row, format));
      absl::StrAppend(&lines, line);
    }
    next = last + 1;
  }
  return lines;
}

}  // namespace

HttpResponse RequesterApi::GetComparisons(const HttpRequest& request) const {
  const auto last = GetNumber(request, "last", 20, kMaxShown);
  if (!last.ok()) return ErrorResponse(last.status());
  const int64_t end = store_->GetTotals().num_comparisons;
  const auto rows = store_->Read(std::max<int64_t>(1, end - *last + 1), end);
  if (!rows.ok()) return ErrorResponse(rows.status());
  std::vector<std::string> lines;
  for (auto row = rows->rbegin(); row != rows->rend(); ++row) {
    const auto line = ComparisonLine(ForList(*row));
    if (!line.ok()) return JsonErrorResponse(500, line.status().message());
    lines.push_back(*line);
  }
  return JsonResponse(
      absl::StrCat("{\"comparisons\":[", absl::StrJoin(lines, ","), "]}"));
}

void RequesterApi::DropWhatWasTakenBack() {
  const PreferenceStore::Totals totals = store_->GetTotals();
  const int64_t num_taken_back = totals.num_retracted - totals.num_replaced;
  if (num_taken_back == num_taken_back_) return;
  num_taken_back_ = num_taken_back;
  tally_ = LabelTally();
  elo_ = EloTally();
}

template <typename Tally>
absl::Status RequesterApi::Update(Tally& tally) {
  const int64_t end = std::min(store_->GetTotals().num_comparisons,
                               tally.last_seq() + kMaxCounted);
  return store_->ForEach(tally.last_seq() + 1, end,
                         [&tally](const v1::Comparison& row) {
                           tally.Add(row);
                           return absl::OkStatus();
                         });
}

HttpResponse RequesterApi::GetSummary() {
  MutexLock lock(&mutex_);
  DropWhatWasTakenBack();
  if (const absl::Status status = Update(tally_); !status.ok()) {
    return ErrorResponse(status);
  }
  return JsonResponse(
      DumpJson(tally_.ToJson(clock_->Now(), options_.price_per_answer)));
}

HttpResponse RequesterApi::GetElo() {
  MutexLock lock(&mutex_);
  DropWhatWasTakenBack();
  if (const absl::Status status = Update(elo_); !status.ok()) {
    return ErrorResponse(status);
  }
  const absl::StatusOr<Json> elo = elo_.ToJson();
  if (absl::IsResourceExhausted(elo.status())) {
    return JsonErrorResponse(413, elo.status().message());
  }
  return elo.ok() ? JsonResponse(DumpJson(*elo)) : ErrorResponse(elo.status());
}

HttpResponse RequesterApi::GetPms() {
  MutexLock lock(&mutex_);
  for (const std::string& line : pm_lines_.NewLines()) {
    // A line that a crash cut short was written again after it.
    if (auto pm = ParseJson(line); pm.ok()) pms_.push_back(*std::move(pm));
    if (pms_.size() > kMaxPms) pms_.pop_front();
  }
  return JsonResponse(DumpJson({{"pms", pms_}}));
}

HttpResponse RequesterApi::GetExport(const HttpRequest& request) const {
  const auto format = GetFormat(request);
  if (!format.ok()) return ErrorResponse(format.status());
  const int64_t end = store_->GetTotals().num_comparisons;
  const auto first = GetNumber(request, "first", 1, std::max<int64_t>(1, end));
  if (!first.ok()) return ErrorResponse(first.status());
  int64_t next = *first;
  // What goes wrong at once is told as an error.
  auto lines = NextLines(*store_, *format, end, next);
  if (!lines.ok()) return ErrorResponse(lines.status());
  HttpResponse response{.content_type = "application/x-ndjson",
                        .body = *std::move(lines)};
  if (next <= end) {
    response.rest = [store = store_, format = *format, end, next]() mutable {
      return NextLines(*store, format, end, next);
    };
  }
  response.headers.emplace_back("Content-Disposition",
                                "attachment; filename=\"comparisons.jsonl\"");
  return response;
}

}  // namespace rlhf
