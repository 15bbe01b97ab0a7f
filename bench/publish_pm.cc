// publish_pm PM_DIR RUN_DIR: makes a preference model the next version of a
// run, 1 at first, and lets it serve, so that a benchmark needs no people.
#include <filesystem>
#include <iostream>
#include <optional>

#include "core/base/status_macros.h"
#include "core/nn/model_directory.h"
#include "core/registry/model_registry.h"

namespace rlhf {
namespace {

absl::Status PublishPm(const std::string& pm, const std::string& run) {
  RLHF_ASSIGN_OR_RETURN(const Transformer model, LoadModel(pm));
  const ModelRegistry registry(run + "/registry/pm");
  const int64_t version = registry.Latest() + 1;
  RLHF_RETURN_IF_ERROR(registry
                           .Publish(version, {{"kind", "pm"}},
                                    [&](const std::string& folder) {
                                      return SaveModel(model, pm, folder);
                                    })
                           .status());
  RLHF_ASSIGN_OR_RETURN(const std::optional<int64_t> serving,
                        registry.Alias("serving"));
  return registry.Promote(version, serving, {"publish_pm", "a benchmark"});
}

}  // namespace
}  // namespace rlhf

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: publish_pm PM_DIR RUN_DIR\n";
    return 2;
  }
  const absl::Status status = rlhf::PublishPm(argv[1], argv[2]);
  if (!status.ok()) std::cerr << "publish_pm: " << status.message() << "\n";
  return status.ok() ? 0 : 1;
}
