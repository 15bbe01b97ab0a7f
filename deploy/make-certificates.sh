#!/usr/bin/env bash
# Makes the certificates of a run whose processes are on several machines: an
# authority of the run's own, and a certificate for each role.
#
#   deploy/make-certificates.sh RUN DIR [DAYS]
#
# RUN is the run's `name`. DIR then has ca.pem, and for each role ROLE.pem, its
# certificate and key in one file, for the run file's
#
#   tls { ca: "DIR/ca.pem" certificate: "DIR/{role}.pem" key: "DIR/{role}.pem" }
#
# A machine needs ca.pem and the files of its own roles; ca.key stays where it is:
# who has it can be anybody. Run again, it keeps the authority and renews the
# certificates (for 90 days, or DAYS); running processes take them up by
# themselves. docs/security.md says how to change the authority.
set -euo pipefail

if (($# < 2 || $# > 3)) || [[ $1 == -* ]]; then
  echo "usage: $0 RUN DIR [DAYS]" >&2
  exit 2
fi
readonly RUN=$1 DIR=$2 DAYS=${3:-90}
if [[ ! $RUN =~ ^[A-Za-z0-9_-][A-Za-z0-9_.-]*$ ]]; then
  echo "$0: RUN is \"$RUN\"; wanted the run's name: letters, digits, - _ ." >&2
  exit 2
fi
if [[ ! $DAYS =~ ^[1-9][0-9]*$ ]]; then
  echo "$0: DAYS is \"$DAYS\"; wanted a number of days, such as 90" >&2
  exit 2
fi
readonly ROLES="learner actor reward-server refresher feedback operator"

umask 077
mkdir -p "$DIR"
cd "$DIR"

new_key() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256; }

# What openssl says of its success is on stderr; of a failure it is passed on.
quietly() {
  local said
  said=$("$@" 2>&1) || { echo "$said" >&2; exit 1; }
}

# A renamed file is there as a whole, whoever reads it.
certify() {
  new_key > "$1.key.new"
  quietly openssl req -new -key "$1.key.new" -subj "/CN=$1" -out "$1.request.new"
  quietly openssl x509 -req -in "$1.request.new" -CA ca.pem -CAkey ca.key \
    -days "$DAYS" -out "$1.certificate.new" -extfile <(
      echo "subjectAltName=URI:rlhf://$RUN/$1"
      echo "extendedKeyUsage=serverAuth,clientAuth"
      echo "basicConstraints=critical,CA:FALSE"
    )
  cat "$1.certificate.new" "$1.key.new" > "$1.pem.new"
  mv "$1.pem.new" "$1.pem"
  rm "$1".*.new
}

if [[ ! -e ca.key ]]; then
  new_key > ca.key.new
  quietly openssl req -x509 -new -key ca.key.new -subj "/CN=rlhf $RUN" -days 3650 \
    -out ca.pem.new
  mv ca.pem.new ca.pem
  mv ca.key.new ca.key
fi
for role in $ROLES; do certify "$role"; done
echo "$DIR: good for $DAYS days"
