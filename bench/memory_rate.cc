// How fast threads of this machine read memory together: the limit by which
// decoding at batch 1 is measured.
//
//   memory_rate THREADS
//
// For each line of its input it reads 512 MiB on ordinary pages and as much on
// huge ones, again and again for about half a second each, and prints the rates
// as a line of JSON.
#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "core/base/check.h"
#include "core/base/clock.h"

namespace rlhf {
namespace {

constexpr size_t kBytes = size_t{512} << 20;
constexpr double kSeconds = 0.5;

// 64 bytes, however many registers of the processor these take.
typedef uint64_t Wide __attribute__((vector_size(64)));

// Every page written once, so that all of it is there.
const char* Allocate(int advice) {
  void* const memory = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  RLHF_CHECK(memory != MAP_FAILED) << "no memory";
  // A kernel without huge pages refuses the advice, and both rates are one.
  ::madvise(memory, kBytes, advice);
  std::memset(memory, 1, kBytes);
  return static_cast<const char*>(memory);
}

uint64_t ReadAll(const char* begin, const char* end) {
  Wide sums[4] = {};
  for (const char* at = begin; at < end; at += sizeof(sums)) {
    Wide loaded[4];
    std::memcpy(loaded, at, sizeof(loaded));
    for (int i = 0; i < 4; ++i) sums[i] += loaded[i];
  }
  const Wide sum = sums[0] + sums[1] + sums[2] + sums[3];
  return sum[0] + sum[7];
}

// Bytes per second, each thread over its own part.
double Rate(const char* memory, size_t num_threads) {
  const size_t part = kBytes / num_threads / 256 * 256;
  std::vector<int64_t> passes(num_threads);
  const Stopwatch watch;
  {
    std::vector<std::jthread> threads;
    for (size_t t = 0; t < num_threads; ++t) {
      threads.emplace_back([&, t] {
        const char* const begin = memory + t * part;
        while (watch.seconds() < kSeconds) {
          // Sums of ones: what is read has to be used.
          RLHF_CHECK(ReadAll(begin, begin + part) != 0);
          ++passes[t];
        }
      });
    }
  }
  double bytes = 0;
  for (const int64_t count : passes) bytes += static_cast<double>(count * part);
  return bytes / watch.seconds();
}

int Main(int argc, char** argv) {
  int num_threads = 0;
  if (argc != 2 || !absl::SimpleAtoi(argv[1], &num_threads) ||
      num_threads < 1) {
    std::cerr << "usage: memory_rate THREADS\n";
    return 2;
  }
  const auto threads = static_cast<size_t>(num_threads);
  const char* const ordinary = Allocate(MADV_NOHUGEPAGE);
  const char* const huge = Allocate(MADV_HUGEPAGE);
  std::printf("{\"ready\": true}\n");
  std::fflush(stdout);
  std::string line;
  while (std::getline(std::cin, line)) {
    std::printf("{\"ordinary\": %.0f, \"huge\": %.0f}\n",
                Rate(ordinary, threads), Rate(huge, threads));
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace rlhf

int main(int argc, char** argv) { return rlhf::Main(argc, argv); }
