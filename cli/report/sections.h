// The sections of a run's report. Pure: each shows what is there and says in
// one line what is not.
#pragma once

#include "cli/report/html.h"
#include "cli/report/report_data.h"

namespace rlhf {

// Reward, KL and length by update, reward against the square root of KL, and
// what the gold judge says.
ReportSection PolicySection(const ReportData& data);

// What the gate said of each candidate, how good the PMs are, who served when.
ReportSection PmSection(const ReportData& data);

// Comparisons over time, batches, retractions.
ReportSection ComparisonSection(const ReportData& data);

// How each worker answers, and how far they agree.
ReportSection WorkerSection(const ReportData& data);

// Elo of the policies by people's choices.
ReportSection EloSection(const ReportData& data);

// What policies answered, from early to late.
ReportSection SampleSection(const ReportData& data);

// What was ordered while the run went on, by whom and why.
ReportSection OrderSection(const ReportData& data);

// What went wrong and was survived.
ReportSection FaultSection(const ReportData& data);

// Where time and memory went.
ReportSection CostSection(const ReportData& data);

// What of the configuration differs from the defaults, and all of it.
ReportSection ConfigSection(const ReportData& data);

// Builds, models and data, by their digests.
ReportSection VersionSection(const ReportData& data);

}  // namespace rlhf
