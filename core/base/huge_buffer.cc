#include "core/base/huge_buffer.h"

#include <sys/mman.h>

#include <cstdint>
#include <new>
#include <utility>

namespace rlhf {
namespace {

constexpr size_t kHugePage = size_t{1} << 21;

}  // namespace

HugeBuffer::HugeBuffer(size_t size)
    : size_(size), mapped_((size + kHugePage - 1) / kHugePage * kHugePage) {
  if (mapped_ == 0) mapped_ = kHugePage;
  // One page more than needed, to begin where a huge page does.
  void* const reserved = ::mmap(nullptr, mapped_ + kHugePage, PROT_NONE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (reserved == MAP_FAILED) throw std::bad_alloc();
  const auto begin = reinterpret_cast<uintptr_t>(reserved);
  const uintptr_t aligned = (begin + kHugePage - 1) / kHugePage * kHugePage;
  if (aligned > begin) ::munmap(reserved, aligned - begin);
  const uintptr_t end = begin + mapped_ + kHugePage;
  if (end > aligned + mapped_) {
    ::munmap(reinterpret_cast<void*>(aligned + mapped_),
             end - aligned - mapped_);
  }
  data_ = reinterpret_cast<std::byte*>(aligned);
  if (::mprotect(data_, mapped_, PROT_READ | PROT_WRITE) != 0) {
    ::munmap(data_, mapped_);
    throw std::bad_alloc();
  }
  // Only a wish: ordinary pages do as well, more slowly.
  ::madvise(data_, mapped_, MADV_HUGEPAGE);
}

HugeBuffer::HugeBuffer(HugeBuffer&& other) noexcept
    : size_(std::exchange(other.size_, 0)),
      mapped_(std::exchange(other.mapped_, 0)),
      data_(std::exchange(other.data_, nullptr)) {}

HugeBuffer& HugeBuffer::operator=(HugeBuffer&& other) noexcept {
  std::swap(size_, other.size_);
  std::swap(mapped_, other.mapped_);
  std::swap(data_, other.data_);
  return *this;
}

HugeBuffer::~HugeBuffer() {
  if (data_ != nullptr) ::munmap(data_, mapped_);
}

}  // namespace rlhf
