#include "cli/doctor/finding.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "core/base/counted.h"

namespace rlhf {
namespace {

const char* NameOf(Level level) {
  switch (level) {
    case Level::kOk:
      return "ok";
    case Level::kWarning:
      return "warning";
    case Level::kFault:
      return "fault";
  }
  return "fault";
}

// Lines after the first stand below its text.
std::string Indented(const std::string& text, int columns) {
  return absl::StrReplaceAll(
      text, {{"\n", "\n" + std::string(static_cast<size_t>(columns), ' ')}});
}

}  // namespace

int CountOf(const Findings& findings, Level level) {
  return static_cast<int>(
      std::count_if(findings.begin(), findings.end(),
                    [&](const Finding& f) { return f.level == level; }));
}

void PrintFindings(const Findings& findings, std::ostream& out) {
  size_t width = 0;
  for (const Finding& f : findings) width = std::max(width, f.subject.size());
  // "warning  SUBJECT  "
  const int columns = static_cast<int>(width) + 11;
  for (const Finding& f : findings) {
    out << absl::StrFormat("%-9s%-*s  %s\n", NameOf(f.level),
                           static_cast<int>(width), f.subject,
                           Indented(f.found, columns));
    if (f.advice.empty()) continue;
    out << std::string(static_cast<size_t>(columns), ' ') << "-> "
        << Indented(f.advice, columns + 3) << "\n";
  }
  out << Counted(CountOf(findings, Level::kFault), "fault") << ", "
      << Counted(CountOf(findings, Level::kWarning), "warning") << "\n";
}

Json ToJson(const Findings& findings) {
  Json all = Json::array();
  for (const Finding& f : findings) {
    all.push_back({{"subject", f.subject},
                   {"level", NameOf(f.level)},
                   {"found", f.found},
                   {"advice", f.advice},
                   {"figures", f.figures}});
  }
  return all;
}

}  // namespace rlhf
