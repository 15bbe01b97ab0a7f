// examples/full.txtpb lists every knob; this test keeps it complete and true.
#include <google/protobuf/descriptor.h>

#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/file.h"
#include "core/config/run_config.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using testing::IsEmpty;

std::string ExamplePath() {
  const char* root = std::getenv("RLHF_SOURCE_DIR");
  return absl::StrCat(root == nullptr ? "." : root, "/examples/full.txtpb");
}

// Adds the paths of fields that `message` lacks.
void FindAbsent(const Message& message, const std::string& prefix,
                std::vector<std::string>* absent) {
  const auto& reflection = *message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = message.GetDescriptor()->field(i);
    const std::string path = prefix + field->name();
    const bool list = field->is_repeated();
    if (list ? reflection.FieldSize(message, field) == 0
             : !reflection.HasField(message, field)) {
      absent->push_back(path);
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      FindAbsent(list ? reflection.GetRepeatedMessage(message, field, 0)
                      : reflection.GetMessage(message, field),
                 path + ".", absent);
    }
  }
}

TEST(FullExampleTest, ListsEveryField) {
  ASSERT_OK_AND_ASSIGN(const v1::RunConfig config,
                       LoadRunConfig(ExamplePath(), {}));
  std::vector<std::string> absent;
  FindAbsent(config, "", &absent);
  EXPECT_THAT(absent, IsEmpty());
}

TEST(FullExampleTest, ShowsTheDefaults) {
  ASSERT_OK_AND_ASSIGN(v1::RunConfig config, LoadRunConfig(ExamplePath(), {}));
  v1::RunConfig defaults;
  defaults.set_name(config.name());
  defaults.set_initial_policy(config.initial_policy());
  defaults.set_prompts(config.prompts());
  // Lists have no defaults to show.
  v1::PreferenceConfig& preference = *config.mutable_preference();
  preference.clear_refresh_at();
  preference.clear_data();
  preference.clear_sources();
  preference.clear_objectives();
  config.mutable_crowd()->clear_workers();
  config.mutable_up()->clear_resources();
  EXPECT_THAT(DiffConfigs(defaults, config), IsEmpty());
}

TEST(FullExampleTest, CommentsEveryField) {
  ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(ExamplePath()));
  // Each line that gives a value or opens a message follows a comment, or
  // another field of the same commented group (no blank line between).
  bool commented = false;
  int number = 0;
  for (const absl::string_view raw : absl::StrSplit(text, '\n')) {
    ++number;
    const absl::string_view line = absl::StripAsciiWhitespace(raw);
    if (line.empty() || line == "}") commented = false;
    if (!line.empty() && line[0] == '#') commented = true;
    const bool is_field = !line.empty() && line[0] != '#' && line != "}";
    EXPECT_TRUE(!is_field || commented) << "line " << number << ": " << line;
  }
}

}  // namespace
}  // namespace rlhf
