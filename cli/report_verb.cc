// report: what a run has come to, as one HTML file.
#include <iostream>
#include <string>

#include "cli/config_flag.h"
#include "cli/report/page.h"
#include "cli/report/report_data.h"
#include "cli/verbs.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"

namespace rlhf {

absl::Status ReportVerb(const Flags& flags) {
  const std::string& out = flags.String("out");
  if (out.empty()) {
    return absl::InvalidArgumentError(
        "--out FILE is needed: the page is written there");
  }
  RLHF_ASSIGN_OR_RETURN(const v1::RunConfig config, ConfigFromFlag(flags));
  RLHF_ASSIGN_OR_RETURN(const ReportData data, ReadReportData(config));
  const std::string page = ReportPage(data);
  RLHF_RETURN_IF_ERROR(WriteFileAtomically(out, page));
  std::cout << out << "\n";
  return absl::OkStatus();
}

}  // namespace rlhf
