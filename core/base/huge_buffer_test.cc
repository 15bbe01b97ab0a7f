#include "core/base/huge_buffer.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "gtest/gtest.h"

namespace rlhf {
namespace {

TEST(HugeBufferTest, HoldsZerosThatCanBeWritten) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{5} << 20}) {
    HugeBuffer buffer(size);
    EXPECT_EQ(buffer.size(), size);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % 64, 0U);
    EXPECT_TRUE(std::all_of(buffer.data(), buffer.data() + size,
                            [](std::byte b) { return b == std::byte{0}; }));
    std::fill_n(buffer.data(), size, std::byte{7});
  }
}

TEST(HugeBufferTest, MovesWithWhatItHolds) {
  HugeBuffer from(3);
  from.data()[2] = std::byte{9};
  const std::byte* const where = from.data();
  HugeBuffer to(std::move(from));
  EXPECT_EQ(to.data(), where);
  HugeBuffer other(100);
  other = std::move(to);
  EXPECT_EQ(other.size(), 3U);
  EXPECT_EQ(other.data()[2], std::byte{9});
}

}  // namespace
}  // namespace rlhf
