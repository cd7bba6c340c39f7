#include "io/output_lock.hpp"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <signal.h>  // kill
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <sstream>
#include <system_error>
#include <utility>

#include "core/error.hpp"
#include "core/log.hpp"
#include "io/batch_job.hpp"
#include "io/descriptor.hpp"
#include "io/output_path.hpp"

namespace ringworld {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view first_line = "ringworld lock";
constexpr int most_turns = 100;  // each follows on a change that another process made

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

/// Field 22 of /proc/<pid>/stat (proc(5)); nothing when there is no such process.
std::optional<std::uint64_t> start_of_process(std::int64_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const auto name_end = text.rfind(')');  // the second field may hold blanks
  if (name_end == std::string::npos) {
    return std::nullopt;
  }
  std::istringstream fields(text.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 22; ++field) {
    fields >> skipped;
  }
  std::uint64_t start = 0;
  return fields >> start ? std::optional(start) : std::nullopt;
}

std::string command_of_this_process() {
  constexpr std::size_t longest = 160;
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  while (!text.empty() && text.back() == '\0') {
    text.pop_back();
  }
  std::ranges::replace_if(text, [](unsigned char c) { return c < ' '; }, ' ');
  text.erase(0, text.substr(0, text.find(' ')).rfind('/') + 1);  // the program's name without its folder
  return text.size() > longest ? text.substr(0, longest) + " ..." : text;
}

/// Whether the process that made the lock's file is known to be gone.
bool is_dead(const LockHolder& holder) {
  const LockHolder mine = LockHolder::this_process();
  if (holder.host != mine.host) {
    return !holder.job.empty() && holder.job == mine.job;  // requeued, now on other nodes
  }
  if (::kill(static_cast<pid_t>(holder.pid), 0) != 0 && errno == ESRCH) {
    return true;
  }
  const auto started = start_of_process(holder.pid);
  return started.has_value() && *started != holder.started;
}

bool has_no_locks(int error) { return error == ENOLCK || error == ENOSYS || error == EOPNOTSUPP; }

[[noreturn]] void throw_held(const fs::path& path, const fs::path& lock, LockKind kind, const std::string& content) {
  const auto holder = LockHolder::from_text(content);
  const std::string who = holder ? holder->describe() : "another process";
  const std::string advice =
      kind == LockKind::file ? fmt::format("; if it has ended, remove '{}'", lock.string()) : std::string();
  throw Error(ErrorKind::bad_input, fmt::format("cannot write '{}': {} is writing it; give another file, or wait{}",
                                                path.string(), who, advice));
}

std::string content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

bool is_still_at(const Descriptor& descriptor, const fs::path& path) {
  struct stat open{};
  struct stat named{};
  return ::fstat(descriptor.get(), &open) == 0 && ::stat(path.c_str(), &named) == 0 && open.st_dev == named.st_dev &&
         open.st_ino == named.st_ino;
}

/// Writes who holds it. A full disk must not keep a job from a file whose lock it has.
void write_holder(const Descriptor& descriptor) {
  const std::string text = LockHolder::this_process().to_text();
  static_cast<void>(::ftruncate(descriptor.get(), 0));
  static_cast<void>(::pwrite(descriptor.get(), text.data(), text.size(), 0));
}

/// Nothing when the file system has no locks.
std::optional<Descriptor> take_kernel_lock(const fs::path& path, const fs::path& lock) {
  for (int attempt = 0; attempt < most_turns; ++attempt) {
    Descriptor descriptor(::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (!descriptor) {
      throw_cannot_write(path, errno);
    }
    if (::flock(descriptor.get(), LOCK_EX | LOCK_NB) != 0) {
      const int error = errno;
      if (error == EINTR) {
        continue;
      }
      if (error == EWOULDBLOCK) {
        throw_held(path, lock, LockKind::kernel, content_of(lock));
      }
      if (has_no_locks(error)) {
        struct stat made{};
        if (::fstat(descriptor.get(), &made) == 0 && made.st_size == 0) {  // else it is another job's
          ::unlink(lock.c_str());
        }
        return std::nullopt;
      }
      throw_cannot_write(path, error);
    }
    // The last holder may have removed the file between the open and the lock: then the lock is of no file.
    if (is_still_at(descriptor, lock)) {
      write_holder(descriptor);
      return descriptor;
    }
  }
  throw_cannot_write(path, fmt::format("its lock '{}' cannot be taken", lock.string()));
}

Descriptor take_file_lock(const fs::path& path, const fs::path& lock) {
  for (int attempt = 0; attempt < most_turns; ++attempt) {
    Descriptor descriptor(::open(lock.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (descriptor) {
      write_holder(descriptor);
      return descriptor;
    }
    if (errno != EEXIST) {
      throw_cannot_write(path, errno);
    }
    const std::string content = content_of(lock);
    const auto holder = LockHolder::from_text(content);
    if (!holder || !is_dead(*holder)) {
      throw_held(path, lock, LockKind::file, content);
    }
    // If several processes find a dead holder, the one whose rename succeeds removes its lock.
    auto aside = lock;
    aside += fmt::format(".{}", ::getpid());
    if (::rename(lock.c_str(), aside.c_str()) == 0) {
      ::unlink(aside.c_str());
    }
  }
  throw_cannot_write(path, fmt::format("its lock '{}' cannot be taken", lock.string()));
}

bool user_forbids_locks() {
  const char* const value = std::getenv("HDF5_USE_FILE_LOCKING");
  return value != nullptr && (std::string_view(value) == "FALSE" || std::string_view(value) == "0");
}

}  // namespace

LockHolder LockHolder::this_process() {
  return {.host = host_name(),
          .pid = ::getpid(),
          .started = start_of_process(::getpid()).value_or(0),
          .job = this_batch_job().number,
          .since = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr))),
          .program = command_of_this_process()};
}

std::string LockHolder::to_text() const {
  return fmt::format("{}\nhost {}\npid {}\nstarted {}\njob {}\nsince {}\nprogram {}\n", first_line, host, pid, started,
                     job, since, program);
}

std::optional<LockHolder> LockHolder::from_text(std::string_view text) {
  if (!text.starts_with(first_line) || !text.ends_with('\n')) {
    return std::nullopt;
  }
  std::map<std::string, std::string, std::less<>> values;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    const auto blank = line.find(' ');
    values.emplace(line.substr(0, blank), blank == std::string::npos ? "" : line.substr(blank + 1));
  }
  LockHolder holder{
      .host = values["host"], .job = values["job"], .since = values["since"], .program = values["program"]};
  const auto number = [&](const char* key, auto& value) {
    const std::string& word = values[key];
    const auto [end, failed] = std::from_chars(word.data(), word.data() + word.size(), value);
    return failed == std::errc() && end == word.data() + word.size();
  };
  return number("pid", holder.pid) && number("started", holder.started) ? std::optional(std::move(holder))
                                                                        : std::nullopt;
}

std::string LockHolder::describe() const {
  return fmt::format("process {} on {} ({}{}{}, since {})", pid, host, program, job.empty() ? "" : ", job ", job,
                     since);
}

struct OutputLock::Held {
  fs::path lock;
  LockKind kind = LockKind::kernel;
  Descriptor descriptor;

  Held(fs::path lock_in, LockKind kind_in, Descriptor descriptor_in)
      : lock(std::move(lock_in)), kind(kind_in), descriptor(std::move(descriptor_in)) {}
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  /// The file goes while the lock is still held, so that no other holder's file is removed.
  ~Held() {
    if (is_still_at(descriptor, lock)) {
      ::unlink(lock.c_str());
    }
  }
};

OutputLock OutputLock::acquire(const fs::path& path) {
  return acquire(path, user_forbids_locks() ? LockKind::file : LockKind::kernel);
}

OutputLock OutputLock::acquire(const fs::path& path, LockKind kind) {
  // The writers of one process know of each other: a verb holds its outputs from the start, and each writer again.
  static std::mutex mutex;
  static std::map<fs::path, std::weak_ptr<Held>> held_here;
  const std::lock_guard guard(mutex);
  const fs::path named = lock_path(writable_target(path));
  const fs::path lock = fs::canonical(directory_of(named)) / named.filename();
  if (auto held = held_here[lock].lock()) {
    return OutputLock(std::move(held));
  }
  std::optional<Descriptor> descriptor;
  if (kind == LockKind::kernel) {
    descriptor = take_kernel_lock(path, lock);
  }
  if (!descriptor) {
    if (kind == LockKind::kernel) {
      log_warning(fmt::format("the file system of '{}' has no locks; '{}' stands for one until the job ends",
                              path.string(), lock.string()));
      kind = LockKind::file;
    }
    descriptor = take_file_lock(path, lock);
  }
  auto held = std::make_shared<Held>(lock, kind, std::move(*descriptor));
  held_here[lock] = held;
  return OutputLock(std::move(held));
}

fs::path lock_path(const fs::path& output) { return beside(output, ".", ".lock"); }

}  // namespace ringworld
