#!/usr/bin/env bash
# Makes what the manifests want to be secret: an authority of this run's own, a
# certificate for each role's link and for PostgreSQL, and PostgreSQL's password.
#
#   deploy/kubernetes/make-secrets.sh DIR [DAYS]
#   kubectl apply -k DIR
#
# Run again, it keeps the authority and the password and renews the certificates
# (for 365 days, or DAYS); then restart all, as docs/kubernetes.md says. Keep DIR
# to yourself, and out of any repository: who has ca.key can join.
set -euo pipefail

if (($# < 1 || $# > 2)) || [[ $1 == -* ]]; then
  echo "usage: $0 DIR [DAYS]" >&2
  exit 2
fi
readonly DIR=$1
readonly DAYS=${2:-365}
if [[ ! $DAYS =~ ^[1-9][0-9]*$ ]]; then
  echo "$0: DAYS is \"$DAYS\"; wanted a number of days, such as 365" >&2
  exit 2
fi
readonly ROLES="learner actor reward-server refresher feedback"

umask 077
mkdir -p "$DIR"
cd "$DIR"

new_key() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }

# certify FOLDER NAME: a key and a certificate of that name, which can be seen as
# both sides of a connection, and the authority's own beside it.
certify() {
  local said
  mkdir -p "$1"
  new_key "$1/tls.key"
  openssl req -new -key "$1/tls.key" -subj "/CN=$2" -out "$1/request.pem"
  # It tells of its success on stderr.
  said=$(openssl x509 -req -in "$1/request.pem" -CA ca.crt -CAkey ca.key \
    -days "$DAYS" -out "$1/tls.crt" -extfile <(
      echo "subjectAltName=DNS:$2"
      echo "extendedKeyUsage=serverAuth,clientAuth"
      echo "basicConstraints=critical,CA:FALSE"
    ) 2>&1) || { echo "$0: $1: $said" >&2; exit 1; }
  rm "$1/request.pem"
  cp ca.crt "$1/ca.crt"
}

# generator NAME FILE...: the kustomization's lines for one secret.
generator() {
  echo "  - name: $1"
  echo "    files: [$(IFS=,; echo "${*:2}")]"
}

if [[ ! -e ca.key ]]; then
  new_key ca.key
  openssl req -x509 -new -key ca.key -subj "/CN=rlhf" -days 3650 -out ca.crt
fi
for role in $ROLES; do certify "link-$role" "$role"; done
certify postgres-tls postgres
if [[ ! -e password ]]; then openssl rand -hex 24 | tr -d '\n' > password; fi

{
  echo "apiVersion: kustomize.config.k8s.io/v1beta1"
  echo "kind: Kustomization"
  echo "namespace: rlhf"
  echo "generatorOptions: {disableNameSuffixHash: true}"
  echo "secretGenerator:"
  for name in $(for role in $ROLES; do echo "link-$role"; done) postgres-tls; do
    generator "$name" "$name/tls.crt" "$name/tls.key" "$name/ca.crt"
  done
  generator postgres-password password
} > kustomization.yaml
echo "$DIR: good for $DAYS days; now: kubectl apply -k $DIR"
