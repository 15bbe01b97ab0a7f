// What a sender of weights and its receiver say on their TCP connection. The
// receiver sends one request; the sender answers with the wanted buckets in
// their order, each after a header, or with one header that says why not.
//
// Nothing here is trusted: a bucket counts once it has the checksum of the
// manifest, which came from the learner.
#pragma once

#include <sys/socket.h>
#include <sys/time.h>

#include <bit>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace rlhf {

static_assert(std::endian::native == std::endian::little,
              "the wire has the byte order of the machines that we run on");

struct WeightRequest {
  static constexpr uint64_t kMagic = 0x31305457'46484C52;  // "RLHFWT01"

  uint64_t magic = kMagic;
  int64_t version = 0;
  // The first bucket that is wanted; all after it are as well.
  int64_t first_bucket = 0;
};
static_assert(sizeof(WeightRequest) == 24);

struct BucketHeader {
  enum Answer : int64_t {
    kBytesFollow = 1,
    // The version is not, or no longer, here.
    kNotHeld = 2,
  };

  int64_t answer = kBytesFollow;
  int64_t bucket = 0;
  uint64_t num_bytes = 0;
};
static_assert(sizeof(BucketHeader) == 24);

// A request as it came, which nobody has vouched for: what it asks for may not
// exist. Errors: InvalidArgument, with what was found, if it is not one.
absl::StatusOr<WeightRequest> ParseWeightRequest(absl::string_view bytes);

// A header as it came; the bucket and the bytes that it announces may be
// anything. Errors: DataLoss, with what was found, if it is not one.
absl::StatusOr<BucketHeader> ParseBucketHeader(absl::string_view bytes);

// How long one call on the connection takes at most; `option` is SO_RCVTIMEO or
// SO_SNDTIMEO.
inline void SetTimeout(int fd, int option, absl::Duration timeout) {
  const timeval value = absl::ToTimeval(timeout);
  ::setsockopt(fd, SOL_SOCKET, option, &value, sizeof(value));
}

}  // namespace rlhf
