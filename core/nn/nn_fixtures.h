// The tiny models of tests/fixtures/nn (tools/make_nn_fixtures.py). Tests only.
#pragma once

#include <cstdlib>
#include <string>

#include "core/base/check.h"
#include "core/base/file.h"
#include "core/base/json.h"

namespace rlhf {

inline std::string NnFixture(const std::string& name) {
  const char* root = std::getenv("RLHF_SOURCE_DIR");
  RLHF_CHECK(root != nullptr) << "run the tests through ctest";
  return std::string(root) + "/tests/fixtures/nn/" + name;
}

inline Json NnExpected(const std::string& name) {
  const auto text = ReadFile(NnFixture(name) + "/expected.json");
  RLHF_CHECK(text.ok()) << text.status();
  return *ParseJson(*text);
}

}  // namespace rlhf
