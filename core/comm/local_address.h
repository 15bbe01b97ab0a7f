// Which of this machine's addresses another machine's packets arrive at.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace rlhf {

// The address, as numbers, that this machine speaks from when it speaks to
// `host`: ranks on several machines must each bind their own. Sends nothing.
//
// Errors: Unavailable if `host` has no address or there is no way to it.
absl::StatusOr<std::string> LocalAddressTowards(const std::string& host);

// The address, as numbers, at which to listen so that others reach this machine
// as `host`, and on no other interface: that of `host` or, where it is not this
// machine's but is translated on the way, as LocalAddressTowards. A name that
// is not known yet is looked up again until `timeout` is over, as a launcher
// may start a process before it has made the name known.
//
// Errors: as LocalAddressTowards.
absl::StatusOr<std::string> LocalAddressKnownAs(const std::string& host,
                                                absl::Duration timeout);

// "HOST:PORT", in which an IPv6 address as numbers stands in brackets.
std::string WithPort(const std::string& host, int port);

}  // namespace rlhf
