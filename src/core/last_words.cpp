#include "core/last_words.hpp"

#include <chrono>
#include <mutex>
#include <utility>
#include <vector>

namespace ringworld {
namespace {

/// The process ends once, so there is one.
struct OpenScopes {
  std::timed_mutex mutex;
  std::vector<std::function<void(const std::string&)>> words;
};

OpenScopes& open_scopes() {
  static OpenScopes instance;
  return instance;
}

}  // namespace

LastWords::LastWords(std::function<void(const std::string& reason)> words) {
  OpenScopes& scopes = open_scopes();
  const std::lock_guard lock(scopes.mutex);
  scopes.words.push_back(std::move(words));
}

LastWords::~LastWords() {
  OpenScopes& scopes = open_scopes();
  const std::lock_guard lock(scopes.mutex);
  scopes.words.pop_back();
}

bool say_last_words(const std::string& reason, double patience) {
  OpenScopes& scopes = open_scopes();
  if (!scopes.mutex.try_lock_for(std::chrono::duration<double>(patience))) {
    return false;
  }
  // The lock stays: the main thread must not go on to what the words have just used.
  if (scopes.words.empty()) {
    return false;
  }
  scopes.words.back()(reason);
  return true;
}

}  // namespace ringworld
