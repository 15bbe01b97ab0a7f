// libFuzzer's way in, for a program with one target.
#include <cstddef>
#include <cstdint>

#include "core/base/check.h"
#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const rlhf::FuzzTarget target = [] {
    RLHF_CHECK(rlhf::FuzzTargets().size() == 1);
    return rlhf::FuzzTargets().begin()->second;
  }();
  target({reinterpret_cast<const char*>(data), size});
  return 0;
}
