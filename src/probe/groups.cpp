#include "probe/groups.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace ringworld {
namespace {

constexpr std::int64_t divide_up(std::int64_t value, std::int64_t divisor) { return (value + divisor - 1) / divisor; }

std::int64_t draw_below(std::uint64_t seed, std::int64_t index, std::int64_t bound) {
  return static_cast<std::int64_t>(scramble(seed + static_cast<std::uint64_t>(index)) %
                                   static_cast<std::uint64_t>(bound));
}

}  // namespace

ProbeGroups::ProbeGroups(ProbeForm form, std::int64_t context_length, std::int64_t members, std::int64_t codes,
                         std::uint64_t seed)
    : form_(form), context_length_(context_length), members_(members), stretch_(0), offset_(0) {
  require(members > 0 && codes > 0 && divide_up(context_length, codes) <= members, "probe: more tokens than codes");
  if (form == ProbeForm::near) {
    // A group less in front, so that the offset does not need a code more than there are.
    offset_ = draw_below(seed, 0, std::max<std::int64_t>(1, std::min(members, members * codes - context_length + 1)));
    return;
  }
  stretch_ = form == ProbeForm::address ? std::min(context_length, codes) : divide_up(context_length, members);
  members_ = divide_up(context_length, stretch_);
  for (std::int64_t member = 0; member < members_; ++member) {
    shifts_.push_back(draw_below(seed, member, stretch_));
  }
}

std::int64_t ProbeGroups::group_of(std::int64_t token) const {
  if (form_ == ProbeForm::near) {
    return (token + offset_) / members_;
  }
  const std::int64_t shift = shifts_[static_cast<std::size_t>(token / stretch_)];
  return (token % stretch_ + stretch_ - shift) % stretch_;
}

std::int64_t ProbeGroups::member_of(std::int64_t token) const {
  return form_ == ProbeForm::near ? (token + offset_) % members_ : token / stretch_;
}

std::int64_t ProbeGroups::token_of(std::int64_t group, std::int64_t member) const {
  if (form_ == ProbeForm::near) {
    return group * members_ + member - offset_;
  }
  return member * stretch_ + (group + shifts_[static_cast<std::size_t>(member)]) % stretch_;
}

std::int64_t ProbeGroups::first_token_of(std::int64_t group) const {
  return std::max<std::int64_t>(0, token_of(group, 0));
}

ProbeQueries::ProbeQueries(const ProbeGroups& groups, bool is_causal, std::uint64_t seed)
    : groups_(groups), is_causal_(is_causal), seed_(seed) {
  // From the next token to the whole sequence away, each about as many times farther than the one before.
  const auto length = static_cast<double>(groups.context_length());
  const double step = 1.0 / static_cast<double>(distances_.size());
  for (std::size_t index = 0; index < distances_.size(); ++index) {
    const double unit = static_cast<double>(draw_below(seed, -1 - static_cast<std::int64_t>(index), 1024)) / 1024;
    const auto distance = static_cast<std::int64_t>(std::pow(length, step * (static_cast<double>(index) + unit)));
    const std::int64_t smallest = index == 0 ? 1 : distances_[index - 1] + 1;
    distances_[index] = std::max(distance, smallest);
  }
}

std::int64_t ProbeQueries::target_of(std::int64_t token) const {
  if (groups_.form() == ProbeForm::address) {
    const std::uint64_t word = scramble(seed_ ^ static_cast<std::uint64_t>(token));
    const std::int64_t target = token - distances_[word % distances_.size()];
    return target < 0 ? token : target;
  }
  // Each four neighbours ask round for one another's groups.
  const std::int64_t first = token - token % quad;
  if (first + quad > groups_.context_length()) {
    return token;
  }
  const auto turn = static_cast<std::int64_t>(scramble(seed_ ^ static_cast<std::uint64_t>(first)) % quad);
  const std::int64_t target = first + (token - first + turn) % quad;
  const bool is_seen = !is_causal_ || groups_.first_token_of(groups_.group_of(target)) <= token;
  return is_seen ? target : token;
}

}  // namespace ringworld
