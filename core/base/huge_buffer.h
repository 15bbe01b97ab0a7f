// Memory for much data that is read from end to end again and again.
#pragma once

#include <cstddef>

namespace rlhf {

// Zeros at first. On huge pages where the kernel gives them, so that the
// processor's address cache holds what would else take thousands of entries.
// Moves only.
class HugeBuffer {
 public:
  // Throws std::bad_alloc if there is no memory.
  explicit HugeBuffer(size_t size);
  HugeBuffer(HugeBuffer&& other) noexcept;
  HugeBuffer& operator=(HugeBuffer&& other) noexcept;
  ~HugeBuffer();

  size_t size() const { return size_; }
  // Aligned to 64 bytes and more.
  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }

 private:
  size_t size_;
  size_t mapped_;
  std::byte* data_;
};

}  // namespace rlhf
