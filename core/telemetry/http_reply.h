// How HttpServer sends a response through libmicrohttpd. For it alone.
#pragma once

#include <microhttpd.h>

#include "core/telemetry/http_server.h"
#include "core/telemetry/work_lane.h"

namespace rlhf {

// Queues the response on `connection`, from within the library's access
// callback. Pieces of a `rest` are made in `lane`, which must outlive the
// connection and may be null only without a rest: meanwhile the connection is
// suspended and holds none of the server's threads. Once the lane is closed,
// the next piece breaks the connection off.
MHD_Result SendReply(MHD_Connection* connection, const HttpResponse& response,
                     WorkLane* lane);

}  // namespace rlhf
