// What `rlhf doctor` says of one thing that it looked at.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "core/base/json.h"

namespace rlhf {

enum class Level { kOk, kWarning, kFault };

struct Finding {
  // What was looked at: "disk space", "learner 127.0.0.1:7101".
  std::string subject;
  Level level = Level::kOk;
  // What was found, figures with units: "12.3 GiB free in runs".
  std::string found = "";
  // What to do about it; empty if it is fine.
  std::string advice = "";
  // The figures by name and unit: {"free_bytes": …}.
  Json figures = Json::object();
};

using Findings = std::vector<Finding>;

int CountOf(const Findings& findings, Level level);

// A line for each, below a warning or fault what to do, and how many there are.
void PrintFindings(const Findings& findings, std::ostream& out);

// [{"subject": …, "level": "ok", "found": …, "advice": …, "figures": {…}}, …]
Json ToJson(const Findings& findings);

}  // namespace rlhf
