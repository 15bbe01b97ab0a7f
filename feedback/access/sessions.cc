#include "feedback/access/sessions.h"

#include <utility>

#include "feedback/access/secrets.h"

namespace rlhf {

bool Sessions::HasEnded(const Session& session, absl::Time now) const {
  return now >= session.begun + options_.absolute ||
         now >= session.used + options_.idle;
}

void Sessions::MakeRoom(const std::string& account, absl::Time now) {
  std::erase_if(sessions_,
                [&](const auto& one) { return HasEnded(one.second, now); });
  size_t own = 0;
  auto oldest = sessions_.end();
  auto oldest_own = sessions_.end();
  for (auto it = sessions_.begin(); it != sessions_.end(); ++it) {
    if (oldest == sessions_.end() || it->second.used < oldest->second.used) {
      oldest = it;
    }
    if (it->second.account != account) continue;
    ++own;
    if (oldest_own == sessions_.end() ||
        it->second.used < oldest_own->second.used) {
      oldest_own = it;
    }
  }
  if (own >= options_.max_per_account) {
    sessions_.erase(oldest_own);
  } else if (sessions_.size() >= options_.max_sessions) {
    sessions_.erase(oldest);
  }
}

std::string Sessions::Begin(const std::string& account, int64_t account_version,
                            absl::Time now) {
  MakeRoom(account, now);
  std::string id = RandomSecret();
  sessions_[SecretHash(id)] = {.account = account,
                               .account_version = account_version,
                               .csrf_token = RandomSecret(),
                               .begun = now,
                               .used = now};
  return id;
}

const Sessions::Session* Sessions::Use(absl::string_view id, absl::Time now) {
  // The look-up is by a hash, whose digits an attacker cannot choose, so that
  // its time tells nothing of the ids that there are.
  const auto found = sessions_.find(SecretHash(id));
  if (found == sessions_.end()) return nullptr;
  if (HasEnded(found->second, now)) {
    sessions_.erase(found);
    return nullptr;
  }
  found->second.used = now;
  return &found->second;
}

void Sessions::End(absl::string_view id) { sessions_.erase(SecretHash(id)); }

}  // namespace rlhf
