// publish_pm PM_DIR RUN_DIR: makes a preference model version 1 of a run and
// lets it serve, so that a benchmark measures PPO without people.
#include <filesystem>
#include <iostream>

#include "core/base/status_macros.h"
#include "core/nn/model_directory.h"
#include "core/registry/model_registry.h"

namespace rlhf {
namespace {

absl::Status PublishPm(const std::string& pm, const std::string& run) {
  RLHF_ASSIGN_OR_RETURN(const Transformer model, LoadModel(pm));
  const ModelRegistry registry(run + "/registry/pm");
  RLHF_RETURN_IF_ERROR(registry
                           .Publish(1, {{"kind", "pm"}},
                                    [&](const std::string& folder) {
                                      return SaveModel(model, pm, folder);
                                    })
                           .status());
  return registry.Promote(1, std::nullopt, {"publish_pm", "a benchmark"});
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
