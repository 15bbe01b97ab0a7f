#!/bin/sh
# Whether a rank of the learner is ready: rank 0 by the gRPC health service, the
# others, which serve no gRPC, by their metrics.
set -eu
if [ "${RANK:-0}" != 0 ]; then
  exec curl --fail --silent --show-error --max-time 4 --output /dev/null \
    "http://127.0.0.1:$((7210 + RANK))/metrics"
fi
# An empty gRPC message out; back comes field 1, an enum: 1 is SERVING.
answer=$(printf '\000\000\000\000\000' |
  curl --fail --silent --show-error --max-time 4 --http2-prior-knowledge \
    --header 'content-type: application/grpc' --header 'te: trailers' \
    --data-binary @- http://127.0.0.1:7101/grpc.health.v1.Health/Check |
  od -An -tx1 | tr -d ' \n')
[ "$answer" = 00000000020801 ]
