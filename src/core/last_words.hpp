#pragma once
/// @file  Output that must still be written when a watchdog ends the process while its main thread is blocked.
///
///   main thread       { LastWords words(write the row);   run the point, stuck in MPI ...
///   watchdog                                                    say_last_words("timeout: ...")  --> the row, then the end

#include <functional>
#include <string>

namespace ringworld {

/// During its lifetime, `words` may run on another thread, and the main thread must not use the data that `words` uses.
/// The innermost scope speaks. A scope that is opened or closed while words are being said waits, for the process ends
/// with them.
class LastWords {
 public:
  explicit LastWords(std::function<void(const std::string& reason)> words);
  LastWords(const LastWords&) = delete;
  LastWords& operator=(const LastWords&) = delete;
  ~LastWords();
};

/// Runs the words of the innermost open scope, if there is one. Once called, no scope opens or closes any more: the
/// caller ends the process. What the words throw is theirs.
/// @param patience  s to wait for a scope that is just being opened or closed
/// @return whether there were words to say
bool say_last_words(const std::string& reason, double patience);

}  // namespace ringworld
