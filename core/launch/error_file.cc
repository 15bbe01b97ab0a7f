#include "core/launch/error_file.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/log.h"
#include "core/base/version.h"

namespace rlhf {

std::string ErrorRecord(const std::string& message, absl::Time now) {
  // torchrun reads the fields of its own Python processes: extraInfo.timestamp
  // must be there, in seconds as text. There is no call stack to tell.
  return DumpJson(
      {{"message",
        {{"message", message},
         {"extraInfo",
          {{"py_callstack", absl::StrCat("rlhf ", kRlhfVersion)},
           {"timestamp", absl::StrCat(absl::ToUnixSeconds(now))}}}}}});
}

void WriteErrorFile(const std::map<std::string, std::string>& environment,
                    const std::string& message) {
  const auto path = environment.find("TORCHELASTIC_ERROR_FILE");
  // torchrun says /dev/null where it does not want to know.
  if (path == environment.end() || path->second.empty() ||
      path->second == "/dev/null") {
    return;
  }
  const absl::Status written =
      WriteFileAtomically(path->second, ErrorRecord(message, absl::Now()));
  if (!written.ok()) {
    RLHF_LOG(ERROR) << "TORCHELASTIC_ERROR_FILE: " << written;
  }
}

}  // namespace rlhf
