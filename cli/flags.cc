#include "cli/flags.h"

#include <algorithm>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"
#include "core/config/nearest_word.h"

namespace rlhf {
namespace {

absl::StatusOr<const FlagSpec*> Find(const std::vector<FlagSpec>& specs,
                                     const std::string& name) {
  std::vector<std::string> names;
  for (const FlagSpec& spec : specs) {
    if (spec.name == name) return &spec;
    names.push_back(spec.name);
  }
  const std::string nearest = NearestWord(name, names);
  return absl::InvalidArgumentError(
      absl::StrCat("unknown flag --", name,
                   nearest.empty() ? "; --help lists the flags"
                                   : "; did you mean --" + nearest + "?"));
}

absl::Status CheckRange(const FlagSpec& spec, double number) {
  // Not a number is in no range.
  if (number >= spec.min && number <= spec.max) return absl::OkStatus();
  const bool bounded = spec.max < std::numeric_limits<double>::max();
  return absl::InvalidArgumentError(
      absl::StrCat("--", spec.name, "=", number, ": wanted ",
                   bounded ? absl::StrCat(spec.min, " to ", spec.max)
                           : absl::StrCat("at least ", spec.min)));
}

absl::Status CheckKind(const FlagSpec& spec, const std::string& value) {
  int64_t integer = 0;
  double number = 0;
  bool boolean = false;
  switch (spec.kind) {
    case FlagSpec::Kind::kInt:
      if (absl::SimpleAtoi(value, &integer)) {
        return CheckRange(spec, static_cast<double>(integer));
      }
      return absl::InvalidArgumentError(
          absl::StrCat("--", spec.name, "=", value, ": wanted a whole number"));
    case FlagSpec::Kind::kDouble:
      if (absl::SimpleAtod(value, &number)) return CheckRange(spec, number);
      return absl::InvalidArgumentError(
          absl::StrCat("--", spec.name, "=", value, ": wanted a number"));
    case FlagSpec::Kind::kBool:
      if (absl::SimpleAtob(value, &boolean)) break;
      return absl::InvalidArgumentError(
          absl::StrCat("--", spec.name, "=", value, ": wanted true or false"));
    case FlagSpec::Kind::kString:
    case FlagSpec::Kind::kRepeated:
      break;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Flags> Flags::Parse(const std::vector<FlagSpec>& specs,
                                   const std::vector<std::string>& args) {
  Flags flags;
  flags.args_ = args;
  for (const FlagSpec& spec : specs) {
    auto& values = flags.values_[spec.name];
    if (spec.kind != FlagSpec::Kind::kRepeated) {
      values.push_back(spec.default_value);
    }
  }
  for (size_t i = 0; i < args.size(); ++i) {
    if (!absl::StartsWith(args[i], "--")) {
      flags.positional_.push_back(args[i]);
      continue;
    }
    const size_t equals = args[i].find('=');
    const std::string name = args[i].substr(2, equals - 2);
    RLHF_ASSIGN_OR_RETURN(const FlagSpec* spec, Find(specs, name));
    std::string value = "true";
    if (equals != std::string::npos) {
      value = args[i].substr(equals + 1);
    } else if (spec->kind != FlagSpec::Kind::kBool) {
      // A value that begins with dashes is given as --flag=--value.
      if (++i == args.size() || absl::StartsWith(args[i], "--")) {
        return absl::InvalidArgumentError(
            absl::StrCat("--", name, " needs a value"));
      }
      value = args[i];
    }
    RLHF_RETURN_IF_ERROR(CheckKind(*spec, value));
    flags.given_.insert(name);
    auto& values = flags.values_[name];
    if (spec->kind != FlagSpec::Kind::kRepeated) values.clear();
    values.push_back(value);
  }
  return flags;
}

const std::vector<std::string>& Flags::Repeated(const std::string& name) const {
  const auto it = values_.find(name);
  RLHF_CHECK(it != values_.end()) << "flag " << name << " was not declared";
  return it->second;
}

const std::string& Flags::String(const std::string& name) const {
  return Repeated(name).front();
}

int64_t Flags::Int(const std::string& name) const {
  int64_t value = 0;
  RLHF_CHECK(absl::SimpleAtoi(String(name), &value)) << name;
  return value;
}

double Flags::Double(const std::string& name) const {
  double value = 0;
  RLHF_CHECK(absl::SimpleAtod(String(name), &value)) << name;
  return value;
}

bool Flags::Bool(const std::string& name) const {
  bool value = false;
  RLHF_CHECK(absl::SimpleAtob(String(name), &value)) << name;
  return value;
}

}  // namespace rlhf
