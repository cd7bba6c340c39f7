#include "tokens/bpe/text_steps.hpp"

#include <charconv>
#include <memory>
#include <utility>

#include "tokens/bpe/byte_letters.hpp"

namespace ringworld {
namespace {

void run_from(const std::vector<Splitter>& splitters, std::size_t index, std::string_view text, bool is_start,
              const WordSink& take) {
  if (index == splitters.size()) {
    take(text, is_start);
    return;
  }
  splitters[index](text, is_start,
                   [&](std::string_view word, bool is_first) { run_from(splitters, index + 1, word, is_first, take); });
}

/// Matches joined to the text before or after them, where that is no match itself.
std::vector<TextPart> join_matches(const std::vector<TextPart>& parts, SplitBehaviour behaviour) {
  const bool with_previous = behaviour == SplitBehaviour::merged_with_previous;
  std::vector<TextPart> joined;
  const auto extended = [](std::string_view left, std::string_view right) {
    return std::string_view(left.data(), left.size() + right.size());
  };
  for (const TextPart& part : parts) {
    const bool joins = !joined.empty() && (with_previous ? part.is_match && !joined.back().is_match
                                                         : !part.is_match && joined.back().is_match);
    if (joins) {
      joined.back().text = extended(joined.back().text, part.text);
      joined.back().is_match = part.is_match;
    } else {
      joined.push_back(part);
    }
  }
  return joined;
}

Decoder each_piece(std::function<std::string(std::string)> change) {
  return [change = std::move(change)](std::vector<std::string> pieces) {
    for (std::string& piece : pieces) {
      piece = change(std::move(piece));
    }
    return pieces;
  };
}

}  // namespace

Splitter in_sequence(std::vector<Splitter> splitters) {
  return [splitters = std::move(splitters)](std::string_view text, bool is_start, const WordSink& take) {
    run_from(splitters, 0, text, is_start, take);
  };
}

Splitter split_at(UnicodeRegex regex, SplitBehaviour behaviour, bool is_inverted) {
  auto shared = std::make_shared<UnicodeRegex>(std::move(regex));
  return [shared, behaviour, is_inverted](std::string_view text, bool is_start, const WordSink& take) {
    const auto take_part = [&](TextPart part) { take(part.text, is_start && part.text.data() == text.data()); };
    if (behaviour == SplitBehaviour::isolated) {
      shared->split(text, take_part);
      return;
    }
    std::vector<TextPart> parts;
    shared->split(text, [&](TextPart part) {
      part.is_match = part.is_match != is_inverted;
      if (behaviour != SplitBehaviour::removed || !part.is_match) {
        parts.push_back(part);
      }
    });
    for (const TextPart& part : behaviour == SplitBehaviour::removed ? parts : join_matches(parts, behaviour)) {
      take_part(part);
    }
  };
}

Splitter prefix_space() {
  return [](std::string_view text, bool is_start, const WordSink& take) {
    if (text.starts_with(' ')) {
      take(text, is_start);
      return;
    }
    std::string changed(1, ' ');
    changed += text;
    take(changed, is_start);
  };
}

Splitter byte_letters() {
  return [](std::string_view text, bool is_start, const WordSink& take) { take(to_byte_letters(text), is_start); };
}

Splitter metaspace(std::string replacement, PrependScheme scheme, bool is_split) {
  return [replacement = std::move(replacement), scheme, is_split](std::string_view text, bool is_start,
                                                                  const WordSink& take) {
    std::string changed = replaced(text, " ", replacement);
    const bool prepends = scheme == PrependScheme::always || (scheme == PrependScheme::first && is_start);
    if (prepends && !changed.starts_with(replacement)) {
      changed.insert(0, replacement);
    }
    const std::string_view whole = changed;
    std::size_t begin = 0;
    while (is_split) {
      const std::size_t next =
          whole.find(replacement, begin == 0 && !whole.starts_with(replacement) ? 0 : begin + replacement.size());
      if (next == std::string_view::npos) {
        break;
      }
      take(whole.substr(begin, next - begin), is_start && begin == 0);
      begin = next;
    }
    take(whole.substr(begin), is_start && begin == 0);
  };
}

Splitter cut_before_runs(std::string character) {
  return [character = std::move(character)](std::string_view text, bool is_start, const WordSink& take) {
    std::size_t begin = 0;
    for (std::size_t place = 0; place < text.size();) {
      const std::size_t run = text.find(character, place);
      if (run == std::string_view::npos) {
        break;
      }
      if (run > begin) {
        take(text.substr(begin, run - begin), is_start && begin == 0);
        begin = run;
      }
      place = run + character.size();
      while (text.substr(place).starts_with(character)) {
        place += character.size();
      }
    }
    take(text.substr(begin), is_start && begin == 0);
  };
}

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string changed;
  changed.reserve(text.size());
  std::size_t done = 0;
  for (std::size_t place = text.find(from); place != std::string_view::npos; place = text.find(from, done)) {
    changed += text.substr(done, place - done);
    changed += to;
    done = place + from.size();
  }
  changed += text.substr(done);
  return changed;
}

std::string replaced(std::string_view text, const UnicodeRegex& from, std::string_view to) {
  std::string changed;
  from.split(text, [&](TextPart part) { changed += part.is_match ? to : part.text; });
  return changed;
}

Decoder decode_byte_level() { return each_piece(from_byte_letters); }

Decoder decode_metaspace(std::string replacement, PrependScheme scheme) {
  return [replacement = std::move(replacement), scheme](std::vector<std::string> pieces) {
    for (std::size_t index = 0; index < pieces.size(); ++index) {
      const bool is_left_out = index == 0 && scheme != PrependScheme::never;
      pieces[index] = replaced(pieces[index], replacement, is_left_out ? "" : " ");
    }
    return pieces;
  };
}

Decoder decode_byte_fallback() {
  return each_piece([](std::string piece) {
    unsigned int byte = 0;
    const bool has_shape = piece.size() == 6 && piece.starts_with("<0x") && piece.ends_with('>');
    if (has_shape && std::from_chars(piece.data() + 3, piece.data() + 5, byte, 16).ptr == piece.data() + 5) {
      return std::string(1, static_cast<char>(byte));
    }
    return piece;
  });
}

Decoder decode_fuse() {
  return [](const std::vector<std::string>& pieces) {
    std::string joined;
    for (const std::string& piece : pieces) {
      joined += piece;
    }
    return std::vector{joined};
  };
}

Decoder decode_strip(std::string content, std::int64_t start, std::int64_t stop) {
  return each_piece([content = std::move(content), start, stop](std::string piece) {
    for (std::int64_t times = 0; times < start && piece.starts_with(content); ++times) {
      piece.erase(0, content.size());
    }
    for (std::int64_t times = 0; times < stop && piece.ends_with(content); ++times) {
      piece.erase(piece.size() - content.size());
    }
    return piece;
  });
}

}  // namespace ringworld
