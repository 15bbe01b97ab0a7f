// tokenizer_config.json and chat_template.jinja of a model, the first up to a
// line "===" (core/text/chat_format.h). Without one, there is no second.
#include <unistd.h>

#include "core/base/check.h"
#include "core/text/chat_format.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

RLHF_FUZZ_TARGET(chat_template) {
  static const TempDir folder;
  const bool has_template = input.find("\n===\n") != input.npos;
  WriteInput(folder / "tokenizer_config.json", TakePart("\n===\n", input));
  const std::string path = folder / "chat_template.jinja";
  ::unlink(path.c_str());
  if (has_template) WriteInput(path, input);
  const auto format = ChatFormat::Load(folder.path());
  CheckExplained(format.status(), {absl::StatusCode::kInvalidArgument,
                                   absl::StatusCode::kNotFound,
                                   absl::StatusCode::kUnimplemented});
  if (!format.ok()) return;
  Messages messages;
  messages.Add()->set_role("user");
  RLHF_CHECK(format->RenderScored(messages, "yes").ok());
}

}  // namespace
}  // namespace rlhf
