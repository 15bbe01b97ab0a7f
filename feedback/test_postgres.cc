#include "feedback/test_postgres.h"

#include <fcntl.h>
#include <grp.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/check.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

constexpr char kInstallations[] = "/usr/lib/postgresql";
constexpr absl::Duration kStartTimeout = absl::Seconds(30);

// The folder of its programs, of the newest version; empty if there is none.
std::string FindPrograms() {
  std::string found;
  for (const std::string& version : ListDirectory(kInstallations)) {
    const std::string programs =
        absl::StrCat(kInstallations, "/", version, "/bin");
    if (FileExists(programs + "/postgres")) found = programs;
  }
  return found;
}

// null unless this is root, who may not run a server.
const passwd* OtherUser() {
  return ::geteuid() == 0 ? ::getpwnam("postgres") : nullptr;
}

// Starts a program that ends when this thread does.
pid_t Spawn(const std::vector<std::string>& command, const std::string& log) {
  std::vector<char*> arguments;
  for (const std::string& word : command) {
    arguments.push_back(const_cast<char*>(word.c_str()));
  }
  arguments.push_back(nullptr);
  const passwd* const user = OtherUser();
  const pid_t child = ::fork();
  if (child != 0) return child;
  const int output = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666);
  ::dup2(::open("/dev/null", O_RDONLY), 0);
  ::dup2(output, 1);
  ::dup2(output, 2);
  const bool is_user =
      user == nullptr ||
      (::initgroups(user->pw_name, user->pw_gid) == 0 &&
       ::setgid(user->pw_gid) == 0 && ::setuid(user->pw_uid) == 0);
  if (is_user && ::chdir("/") == 0 && ::prctl(PR_SET_PDEATHSIG, SIGQUIT) == 0) {
    ::execv(arguments[0], arguments.data());
  }
  ::_exit(127);
}

}  // namespace

bool TestPostgres::IsInstalled() { return !FindPrograms().empty(); }

std::unique_ptr<TestPostgres> TestPostgres::Start(bool sync) {
  std::unique_ptr<TestPostgres> server(new TestPostgres(sync));
  const absl::Status status = server->Init();
  RLHF_CHECK(status.ok()) << status;
  return server;
}

TestPostgres& TestPostgres::Shared() {
  static const std::unique_ptr<TestPostgres> server = Start(/*sync=*/false);
  return *server;
}

TestPostgres::~TestPostgres() {
  if (server_ > 0) Stop(StopMode::kImmediate);
}

std::string TestPostgres::Url(const std::string& folder) const {
  return absl::StrCat("postgresql:///postgres?user=postgres&host=",
                      folder.empty() ? folder_.path() : folder);
}

absl::Status TestPostgres::Init() {
  programs_ = FindPrograms();
  if (const passwd* const user = OtherUser()) {
    if (::chown(folder_.path().c_str(), user->pw_uid, user->pw_gid) != 0) {
      return absl::UnavailableError("the folder cannot be given to postgres");
    }
  }
  const std::string log = folder_ / "initdb.log";
  const pid_t initdb =
      Spawn({programs_ + "/initdb", "-D", folder_ / "data", "-U", "postgres",
             "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"},
            log);
  int status = 0;
  if (::waitpid(initdb, &status, 0) != initdb || status != 0) {
    const auto said = ReadFile(log);
    return absl::UnavailableError(absl::StrCat(
        "initdb failed: ", said.ok() ? *said : said.status().ToString()));
  }
  return StartAgain();
}

absl::Status TestPostgres::StartAgain() {
  server_ = Spawn({programs_ + "/postgres", "-D", folder_ / "data", "-k",
                   folder_.path(), "-c", "listen_addresses=", "-c",
                   absl::StrCat("fsync=", sync_ ? "on" : "off"), "-c",
                   "max_connections=20", "-c", "shared_buffers=16MB"},
                  folder_ / "server.log");
  const absl::Time deadline = absl::Now() + kStartTimeout;
  while (PQping(Url().c_str()) != PQPING_OK) {
    if (absl::Now() > deadline || ::waitpid(server_, nullptr, WNOHANG) != 0) {
      const auto said = ReadFile(folder_ / "server.log");
      return absl::UnavailableError(
          absl::StrCat("the server does not start: ",
                       said.ok() ? *said : said.status().ToString()));
    }
    ::poll(nullptr, 0, /*timeout=*/10);
  }
  return absl::OkStatus();
}

void TestPostgres::Stop(StopMode mode) {
  ::kill(server_, mode == StopMode::kFast ? SIGINT : SIGQUIT);
  ::waitpid(server_, nullptr, 0);
  server_ = -1;
}

}  // namespace rlhf
