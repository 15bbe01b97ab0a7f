// RLHF_CHECK(condition) << "context": dies, in every build type, when the
// programmer was wrong. What the world can get wrong is a Status instead.
// (The name keeps clear of LibTorch's CHECK.)
#pragma once

#include <sstream>

namespace rlhf::internal {

// Prints what was streamed into it, then aborts, when it is destroyed.
class CheckFailure {
 public:
  CheckFailure(const char* file, int line, const char* condition);
  [[noreturn]] ~CheckFailure();
  std::ostream& stream() { return stream_; }

 private:
  std::ostringstream stream_;
};

// Gives the two branches of RLHF_CHECK's conditional one type.
struct Voidify {
  void operator&(std::ostream&) {}
};

}  // namespace rlhf::internal

#define RLHF_CHECK(condition)                                              \
  (condition)                                                              \
      ? (void)0                                                            \
      : ::rlhf::internal::Voidify() &                                      \
            ::rlhf::internal::CheckFailure(__FILE__, __LINE__, #condition) \
                .stream()
