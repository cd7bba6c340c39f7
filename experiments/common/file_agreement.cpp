#include "experiments/common/file_agreement.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "comm/agreement.hpp"
#include "io/file_digest.hpp"

namespace ringworld {
namespace {

/// Facts about a file that a rank knows without reading it.
struct Sight {
  FileIdentity identity;
  std::int64_t is_there = 0;

  bool operator==(const Sight&) const = default;
};

/// Digest of the file's content, and whether it can be read.
struct Content {
  std::uint64_t digest = 0;
  std::int64_t is_readable = 0;
};

/// Ranks of a node that see one file let the first of them read it.
Content content_of(const Communicator& node, const std::filesystem::path& path) {
  const auto identity = identity_of(path);
  const Sight mine{.identity = identity.value_or(FileIdentity{}), .is_there = identity.has_value() ? 1 : 0};
  const std::vector<Sight> sights = node.all_gather(mine);
  const auto first = static_cast<std::size_t>(std::ranges::find(sights, mine) - sights.begin());
  Content content;
  if (mine.is_there == 1 && first == static_cast<std::size_t>(node.rank())) {
    const auto digest = digest_of_file(path);
    content = {.digest = digest.value_or(0), .is_readable = digest.has_value() ? 1 : 0};
  }
  return node.all_gather(content)[first];
}

}  // namespace

void require_same_files(const Communicator& communicator, std::span<const NamedFile> files) {
  if (communicator.size() == 1 || files.empty()) {
    return;
  }
  const Communicator node = communicator.split_by_node();
  std::vector<RankFact> facts;
  for (const NamedFile& file : files) {
    const Content content = content_of(node, file.path);
    const auto identity = identity_of(file.path);
    RankFact fact{.name = file.name, .digest = content.digest, .description = "no such file"};
    if (identity.has_value()) {
      fact.description = content.is_readable == 1
                             ? fmt::format("{} bytes of digest {:016x}", identity->bytes, content.digest)
                             : "a file that cannot be read";
    }
    facts.push_back(std::move(fact));
  }
  require_agreement(communicator, facts);
}

}  // namespace ringworld
