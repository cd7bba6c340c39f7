#pragma once
/// @file  What is still to be written when a watchdog ends the process while its main thread is stuck.
///
///   main thread       { LastWords words(write the row);   run the point, stuck in MPI ...
///   watchdog                                                    say_last_words("timeout: ...")  --> the row, then the end

#include <functional>
#include <string>

namespace ringworld {

/// For its length, the main thread touches nothing that `words` touches, and `words` may run on another thread.
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
