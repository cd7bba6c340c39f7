#include "tasks/tasks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/spelling.hpp"
#include "tasks/needle/needle_task.hpp"
#include "tasks/text/text_task.hpp"
#include "tasks/vision/vision_task.hpp"

namespace ringworld {
namespace {

template <class T>
std::unique_ptr<Task> make() {
  return std::make_unique<T>();
}

struct TaskKind {
  std::string_view name;
  std::unique_ptr<Task> (*make)();
};

/// Every task, once.
constexpr std::array tasks{
    TaskKind{"text", make<TextTask>},
    TaskKind{"needle", make<NeedleTask>},
    TaskKind{"vision", make<VisionTask>},
};

/// Writes keys down.
class KeyWriter final : public TaskKeys {
 public:
  explicit KeyWriter(std::string& text) : text_(text) {}

  void visit(std::string_view key, bool& value) override { add(key, value); }
  void visit(std::string_view key, std::int64_t& value) override { add(key, value); }
  void visit(std::string_view key, double& value) override { add(key, value); }
  void visit(std::string_view key, std::string& value) override { add(key, value); }

 private:
  template <class T>
  void add(std::string_view key, const T& value) {
    text_ += fmt::format("{} = {}\n", key, value);
  }

  std::string& text_;
};

}  // namespace

std::unique_ptr<Task> make_task(std::string_view kind) {
  const auto* const found = std::ranges::find(tasks, kind, &TaskKind::name);
  if (found == tasks.end()) {
    std::array<std::string_view, tasks.size()> names;
    std::ranges::transform(tasks, names.begin(), &TaskKind::name);
    throw_unknown_name("kind of data", kind, names);
  }
  return found->make();
}

std::string describe_task(Task& task) {
  std::string text = fmt::format("kind = {}\n", task.kind());
  KeyWriter writer(text);
  task.visit_keys(writer);
  return text;
}

std::string task_key(std::string_view description, std::string_view key) {
  const std::string wanted = fmt::format("{} = ", key);
  while (!description.empty()) {
    const std::size_t end = std::min(description.find('\n'), description.size());
    const std::string_view line = description.substr(0, end);
    if (line.starts_with(wanted)) {
      return std::string(line.substr(wanted.size()));
    }
    description.remove_prefix(std::min(end + 1, description.size()));
  }
  return {};
}

}  // namespace ringworld
