// TensorFlow's framing of records in a file, which TensorBoard reads.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace rlhf {

// CRC-32C (Castagnoli), as in iSCSI: RFC 3720, appendix B.4.
uint32_t Crc32c(absl::string_view data);

// `data` as one record: its length in 8 bytes, their checksum, the data, its
// checksum. All numbers are little-endian; checksums are CRC-32C, rotated and
// shifted so that one over data that holds checksums stays a good one.
std::string FrameRecord(absl::string_view data);

}  // namespace rlhf
