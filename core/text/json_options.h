// Optional members of tokenizer.json's components.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "core/base/json.h"

namespace rlhf {

// The member `key` of `object`; `otherwise` if it is absent or null.
// Errors: InvalidArgument that names the key if it is no boolean.
inline absl::StatusOr<bool> GetBoolOr(const Json& object, const char* key,
                                      bool otherwise) {
  const auto it = object.find(key);
  if (it == object.end() || it->is_null()) return otherwise;
  if (!it->is_boolean()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", key, "\" is neither true nor false"));
  }
  return it->get<bool>();
}

// The same for a list.
inline absl::StatusOr<Json> GetListOr(const Json& object, const char* key,
                                      Json otherwise) {
  const auto it = object.find(key);
  if (it == object.end() || it->is_null()) return otherwise;
  if (!it->is_array()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", key, "\" is not a list"));
  }
  return *it;
}

}  // namespace rlhf
