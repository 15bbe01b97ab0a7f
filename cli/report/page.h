// The report of a run as one HTML file.
#pragma once

#include <string>

#include "cli/report/report_data.h"

namespace rlhf {

// A whole page. It has no script, asks nobody for anything (its own content
// security policy forbids both), follows the reader's light or dark setting and
// prints. All text of people and policies in it is escaped.
std::string ReportPage(const ReportData& data);

}  // namespace rlhf
