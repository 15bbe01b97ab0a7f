// A verb's flags: declared, then parsed from the command line.
#pragma once

#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace rlhf {

struct FlagSpec {
  enum class Kind { kString, kInt, kDouble, kBool, kRepeated };
  std::string name;  // without dashes
  Kind kind = Kind::kString;
  std::string default_value;
  std::string help;
  // Of kInt and kDouble, both included.
  double min = std::numeric_limits<double>::lowest();
  double max = std::numeric_limits<double>::max();
};

// The parsed command line of one verb.
class Flags {
 public:
  // Takes "--name value", "--name=value", and "--name" for a bool. Everything
  // else is positional.
  //
  // Errors: InvalidArgument for an unknown flag (with the nearest known one), a
  // missing value, or one of the wrong kind.
  static absl::StatusOr<Flags> Parse(const std::vector<FlagSpec>& specs,
                                     const std::vector<std::string>& args);

  const std::string& String(const std::string& name) const;
  int64_t Int(const std::string& name) const;
  double Double(const std::string& name) const;
  bool Bool(const std::string& name) const;
  const std::vector<std::string>& Repeated(const std::string& name) const;
  const std::vector<std::string>& positional() const { return positional_; }

  // All that was given, in order.
  const std::vector<std::string>& args() const { return args_; }
  // The names of the flags among it.
  const std::set<std::string>& Given() const { return given_; }

 private:
  std::vector<std::string> args_;
  std::set<std::string> given_;
  std::map<std::string, std::vector<std::string>> values_;
  std::vector<std::string> positional_;
};

}  // namespace rlhf
