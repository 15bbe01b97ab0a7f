#include "tests/fuzz/fuzz_target.h"

#include <algorithm>
#include <fstream>

#include "core/base/check.h"

namespace rlhf {

std::map<std::string, FuzzTarget>& FuzzTargets() {
  static std::map<std::string, FuzzTarget> targets;
  return targets;
}

bool AddFuzzTarget(const std::string& name, FuzzTarget target) {
  RLHF_CHECK(FuzzTargets().emplace(name, target).second) << name;
  return true;
}

void CheckExplained(const absl::Status& status,
                    std::initializer_list<absl::StatusCode> codes) {
  if (status.ok()) return;
  RLHF_CHECK(!status.message().empty()) << status.code();
  RLHF_CHECK(codes.size() == 0 ||
             std::count(codes.begin(), codes.end(), status.code()) > 0)
      << status;
}

void WriteInput(const std::string& path, absl::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  RLHF_CHECK(!file.fail()) << path;
}

absl::string_view TakePart(absl::string_view separator,
                           absl::string_view& rest) {
  const size_t end = rest.find(separator);
  const absl::string_view part = rest.substr(0, end);
  rest = end == rest.npos ? "" : rest.substr(end + separator.size());
  return part;
}

}  // namespace rlhf
