#include "cli/malloc_tuning.h"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "absl/strings/string_view.h"

namespace rlhf {
namespace {

constexpr absl::string_view kModelVerbs[] = {
    "actor", "eval",      "generate",      "learner",
    "pm",    "refresher", "reward-server", "score"};

constexpr char kTunables[] =
    "glibc.malloc.hugetlb=1:"                   // madvise(MADV_HUGEPAGE)
    "glibc.malloc.mmap_threshold=4294967296:"   // bytes
    "glibc.malloc.trim_threshold=17179869184";  // bytes

}  // namespace

void TuneMalloc(char** argv) {
  if (argv[0] == nullptr || argv[1] == nullptr ||
      ::getenv("GLIBC_TUNABLES") != nullptr ||
      std::find(std::begin(kModelVerbs), std::end(kModelVerbs), argv[1]) ==
          std::end(kModelVerbs)) {
    return;
  }
  ::setenv("GLIBC_TUNABLES", kTunables, /*overwrite=*/0);
  // Returns only if it fails; the program then runs on, slower.
  ::execv("/proc/self/exe", argv);
}

}  // namespace rlhf
