#pragma once
/// @file  The list of tasks, by name.

#include <memory>
#include <string>
#include <string_view>

#include "tasks/task.hpp"

namespace ringworld {

/// The task of this kind, with its keys at their defaults.
/// @throws ringworld::Error (bad_input) naming the nearest kind.
[[nodiscard]] std::unique_ptr<Task> make_task(std::string_view kind);

/// Kind and keys, a line `key = value` each: what a checkpoint keeps of the task that trained it.
[[nodiscard]] std::string describe_task(Task& task);

/// The value of a key in such a text; empty when it has none.
[[nodiscard]] std::string task_key(std::string_view description, std::string_view key);

}  // namespace ringworld
