#include "core/comm/weight_wire.h"

#include <cstring>

#include "absl/strings/str_cat.h"

namespace rlhf {
namespace {

// Copied, as bytes from outside need not lie where numbers may.
template <typename T>
T FromBytes(absl::string_view bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

}  // namespace

absl::StatusOr<WeightRequest> ParseWeightRequest(absl::string_view bytes) {
  if (bytes.size() != sizeof(WeightRequest)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a request for weights of ", bytes.size(),
                     " bytes; wanted ", sizeof(WeightRequest)));
  }
  const auto request = FromBytes<WeightRequest>(bytes);
  if (request.magic != WeightRequest::kMagic) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a request for weights that begins with ", absl::Hex(request.magic),
        "; wanted ", absl::Hex(WeightRequest::kMagic), " (another program?)"));
  }
  if (request.version < 0 || request.first_bucket < 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a request for weights version ", request.version, " from bucket ",
        request.first_bucket, " on; wanted 0 or more"));
  }
  return request;
}

absl::StatusOr<BucketHeader> ParseBucketHeader(absl::string_view bytes) {
  if (bytes.size() != sizeof(BucketHeader)) {
    return absl::DataLossError(absl::StrCat("the header of a bucket has ",
                                            bytes.size(), " bytes; wanted ",
                                            sizeof(BucketHeader)));
  }
  const auto header = FromBytes<BucketHeader>(bytes);
  if (header.answer != BucketHeader::kBytesFollow &&
      header.answer != BucketHeader::kNotHeld) {
    return absl::DataLossError(
        absl::StrCat("the header of a bucket has answer ", header.answer,
                     "; wanted ", int64_t{BucketHeader::kBytesFollow}, " or ",
                     int64_t{BucketHeader::kNotHeld}));
  }
  return header;
}

}  // namespace rlhf
