// Preference models for tests of what becomes of a candidate.
#pragma once

#include <string>

#include "core/base/file.h"
#include "core/registry/model_registry.h"

namespace rlhf {

// Publishes a version that can be promoted, but not loaded.
inline absl::Status PublishEmptyPm(const ModelRegistry& registry,
                                   int64_t version) {
  return registry
      .Publish(version, Json(),
               [](const std::string& folder) {
                 return WriteFileAtomically(folder + "/config.json", "{}");
               })
      .status();
}

}  // namespace rlhf
