// Who sent a request, as far as the service knows.
#pragma once

#include <string>

#include "feedback/access/role.h"

namespace rlhf {

struct Caller {
  enum class Proof {
    kNone,      // has shown nothing
    kNotAsked,  // needs none: this machine, and no login is required
    kSession,   // a browser with a session's cookie
    kToken,     // a program with a token
  };

  bool is_known() const { return proof != Proof::kNone; }
  // Whether the service says who works, whatever the request says.
  bool has_account() const {
    return proof == Proof::kSession || proof == Proof::kToken;
  }

  // Whom to write down for what this caller decides: the account, or whom the
  // caller names where there is none, or where it is this machine's operator.
  const std::string& NameOr(const std::string& named) const {
    return has_account() && !is_operator ? name : named;
  }

  Proof proof = Proof::kNone;
  Role role = Role::kWorker;
  // The account's, and the pseudonym that is stored with answers. Empty without
  // an account.
  std::string name;
  std::string worker_id;
  // Holds the run's operator token.
  bool is_operator = false;
  // Of a session.
  std::string session_id;
  std::string csrf_token;
  // Whom limits count as one: the session, the account or the address.
  std::string limit_key;
};

}  // namespace rlhf
