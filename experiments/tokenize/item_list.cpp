#include "experiments/tokenize/item_list.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "io/file_digest.hpp"
#include "media/frame_stream.hpp"

namespace ringworld {

namespace fs = std::filesystem;

namespace {

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

std::uint64_t digest_or_refuse(const fs::path& file) {
  const auto digest = digest_of_file(file);
  require_input(digest.has_value(), fmt::format("'{}' cannot be opened for reading", file.string()));
  return *digest;
}

}  // namespace

std::vector<std::string> list_items(const std::vector<std::string>& inputs, FolderMeaning folders) {
  std::vector<std::string> items;
  for (const std::string& input : inputs) {
    std::error_code ignored;
    require_input(fs::exists(input, ignored),
                  fmt::format("--input: '{}' cannot be opened: there is no such file or folder", input));
    if (folders == FolderMeaning::clip || !is_folder(input)) {
      items.push_back(input);
      continue;
    }
    for (const fs::path& file : files_in_folder(input, is_media_file)) {
      items.push_back(file.string());
    }
  }
  return items;
}

std::string digest_of_item(const fs::path& item) {
  if (!is_folder(item)) {
    return fmt::format("{:016x}", digest_or_refuse(item));
  }
  Digest digest;
  for (const fs::path& file : files_in_folder(item, is_still_picture_file)) {
    digest.add(file.filename().string());
    digest.add(static_cast<std::int64_t>(digest_or_refuse(file)));
  }
  return fmt::format("{:016x}", digest.value());
}

std::string name_of_item(const fs::path& item) {
  constexpr std::size_t longest = 96;
  const fs::path whole = fs::absolute(item).lexically_normal();
  const fs::path last = whole.has_filename() ? whole : whole.parent_path();
  std::string name = (is_folder(item) ? last.filename() : last.stem()).string().substr(0, longest);
  std::ranges::replace(name, '/', '_');
  return name.empty() || name == "." ? "item" : name;
}

}  // namespace ringworld
