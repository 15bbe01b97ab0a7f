// Sends one HTTP request and waits for the answer. For tests only.
#pragma once

#include <curl/curl.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "core/base/check.h"

namespace rlhf {

struct HttpTestReply {
  // 0 if no reply came.
  long status = 0;
  std::string body;
  std::map<std::string, std::string> headers;  // names in lower case
};

// A request with a `body` is a POST, else a GET. `headers` are whole lines.
class HttpTestClient {
 public:
  explicit HttpTestClient(int port)
      : base_(absl::StrCat("http://127.0.0.1:", port)) {}

  HttpTestReply Get(const std::string& path,
                    const std::vector<std::string>& headers = {}) const {
    return Perform(path, nullptr, headers);
  }
  HttpTestReply Post(const std::string& path, const std::string& body,
                     const std::vector<std::string>& headers = {
                         "Content-Type: application/json"}) const {
    return Perform(path, &body, headers);
  }
  // How much of the body came before `enough` of it was there, when the
  // connection is closed.
  size_t GetBytes(const std::string& path, size_t enough) const {
    Taken taken{.wanted = enough};
    CURL* const curl = curl_easy_init();
    RLHF_CHECK(curl != nullptr);
    curl_easy_setopt(curl, CURLOPT_URL, (base_ + path).c_str());
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 10L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &OnSome);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &taken);
    curl_easy_perform(curl);
    curl_easy_cleanup(curl);
    return taken.bytes;
  }

 private:
  struct Taken {
    size_t wanted = 0;
    size_t bytes = 0;
  };

  // Takes less than it is given once it has enough, which ends the transfer.
  static size_t OnSome(char*, size_t, size_t size, void* taken) {
    auto* const so_far = static_cast<Taken*>(taken);
    const size_t take = std::min(size, so_far->wanted - so_far->bytes);
    so_far->bytes += take;
    return so_far->bytes < so_far->wanted ? take : 0;
  }

  static size_t OnBody(char* data, size_t, size_t size, void* reply) {
    static_cast<HttpTestReply*>(reply)->body.append(data, size);
    return size;
  }
  static size_t OnHeader(char* data, size_t, size_t size, void* reply) {
    const std::string line(data, size);
    if (const size_t colon = line.find(':'); colon != std::string::npos) {
      static_cast<HttpTestReply*>(reply)
          ->headers[absl::AsciiStrToLower(line.substr(0, colon))] =
          std::string(absl::StripAsciiWhitespace(line.substr(colon + 1)));
    }
    return size;
  }

  HttpTestReply Perform(const std::string& path, const std::string* body,
                        const std::vector<std::string>& headers) const {
    HttpTestReply reply;
    CURL* const curl = curl_easy_init();
    RLHF_CHECK(curl != nullptr);
    curl_slist* lines = curl_slist_append(nullptr, "Expect:");
    for (const std::string& line : headers) {
      lines = curl_slist_append(lines, line.c_str());
    }
    curl_easy_setopt(curl, CURLOPT_URL, (base_ + path).c_str());
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, lines);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 10L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &OnBody);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &OnHeader);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &reply);
    if (body != nullptr) {
      curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body->c_str());
      curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE,
                       static_cast<long>(body->size()));
    }
    if (curl_easy_perform(curl) == CURLE_OK) {
      curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply.status);
    }
    curl_slist_free_all(lines);
    curl_easy_cleanup(curl);
    return reply;
  }

  const std::string base_;
};

}  // namespace rlhf
