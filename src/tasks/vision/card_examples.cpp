#include "tasks/vision/card_examples.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/error.hpp"

namespace ringworld {
namespace {

std::string_view trim(std::string_view text) {
  const std::size_t begin = std::min(text.find_first_not_of(' '), text.size());
  const std::size_t end = text.find_last_not_of(' ');
  return end == std::string_view::npos ? std::string_view() : text.substr(begin, end + 1 - begin);
}

void require_share(double value, std::string_view name) {
  require_input(value >= 0 && value <= 1, fmt::format("{} is {}; give 0 to 1", name, value));
}

/// Calls `take` with every caption that cards of the training split can have.
template <class Take>
void for_each_object(Take&& take) {
  for (std::int64_t colour = 0; colour < std::ssize(colour_names); ++colour) {
    const bool is_shape = colour == card_shape_colour;
    for (std::int64_t name = 0; name < (is_shape ? std::ssize(shape_names) : std::ssize(digit_names)); ++name) {
      take(CardObject{
          .kind = is_shape ? CardKind::shape : CardKind::digit, .colour = colour, .name = name, .glyph = name});
    }
  }
}

}  // namespace

void validate(const CardExampleOptions& options) {
  require_share(options.caption_drop, "caption_drop");
  require_share(options.shape_share, "shape_share");
  require_share(options.dense_probability, "dense_probability");
  require_input(options.frames >= 1, fmt::format("frames is {}; give 1 or more", options.frames));
  require_input(options.max_needles >= 1 && options.max_needles <= card_digit_colours,
                fmt::format("max_needles is {}; give 1 to {}, for each needle has a colour of its own",
                            options.max_needles, card_digit_colours));
  require_input(options.text_tokens >= 2, fmt::format("text_tokens is {}; give 2 or more", options.text_tokens));
}

std::vector<MixtureShare> parse_mixture(std::string_view text) {
  std::vector<MixtureShare> mixture;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view entry = trim(text.substr(begin, end - begin));
    const std::size_t colon = std::min(entry.find(':'), entry.size());
    const auto kind = parse_enumerator<VisionKind>(std::string(trim(entry.substr(0, colon))));
    const std::string_view number = trim(entry.substr(std::min(colon + 1, entry.size())));
    std::int64_t share = 0;
    const auto [last, failure] = std::from_chars(number.data(), number.data() + number.size(), share);
    require_input(failure == std::errc{} && last == number.data() + number.size() && share >= 0,
                  fmt::format("mix: '{}' has no number of documents; give format:number, as image_text:24", entry));
    require_input(std::ranges::find(mixture, kind, &MixtureShare::first) == mixture.end(),
                  fmt::format("mix: format '{}' stands twice", name_of(kind)));
    mixture.emplace_back(kind, share);
    begin = end + 1;
  }
  std::erase_if(mixture, [](const MixtureShare& share) { return share.second == 0; });
  require_input(!mixture.empty(), fmt::format("mix '{}' has no document", text));
  return mixture;
}

CardExamples::CardExamples(std::span<const MixtureShare> mixture, const CardExampleOptions& options,
                           const VisionFormat& format, CardBank* bank, const Haystack& haystack)
    : options_(options), format_(format), bank_(bank), hay_(haystack.tokens(HaystackPart::training)) {
  validate(options);
  for (const auto& [kind, share] : mixture) {
    cycle_.insert(cycle_.end(), static_cast<std::size_t>(share), kind);
    require_input(
        kind == VisionKind::text || bank != nullptr,
        fmt::format("documents of format '{}' have frames: [data] needs cards and a frame_tokenizer", name_of(kind)));
    require_input(kind != VisionKind::text || std::ssize(hay_) >= options.text_tokens,
                  fmt::format("text_tokens {} is more than the haystack's {}", options.text_tokens, hay_.size()));
  }
}

void CardExamples::append_frames(VisionDocument& document, std::span<const CardFrame> frames, bool is_target,
                                 bool has_codes) {
  if (has_codes) {
    format_.append_vision(document, bank_->codes(frames), is_target);
  } else {
    shown_.insert(shown_.end(), frames.begin(), frames.end());
    const std::vector<Token> blank(frames.size() * static_cast<std::size_t>(format_.codes_per_frame()), 0);
    format_.append_vision(document, blank, is_target);
  }
}

void CardExamples::append_clip_or_image(VisionKind kind, DrawStream& draws, bool has_codes, VisionDocument& document) {
  const bool is_image = kind == VisionKind::image_text || kind == VisionKind::text_image;
  std::vector<CardFrame> frames;
  std::string caption;
  if (is_image) {
    frames.push_back(bank_->world().draw_frame(CardSplit::training, draws, options_.shape_share));
    caption = image_caption(frames.front());
  } else {
    const CardClip clip = bank_->world().draw_clip(CardSplit::training, draws, options_.shape_share);
    for (std::int64_t frame = 0; frame < clip_frames; ++frame) {
      frames.push_back({.object = clip.object, .cell = clip.cell(frame)});
    }
    caption = clip_caption(clip);
  }
  if (!predicts_frames(kind)) {
    append_frames(document, frames, false, has_codes);
    format_.append_text(document, caption, true);
  } else {
    const bool is_dropped = kind == VisionKind::video || draws.unit() < options_.caption_drop;
    format_.append_text(document, is_dropped ? std::string_view() : std::string_view(caption), false);
    append_frames(document, frames, true, has_codes);
  }
  format_.append_eos(document);
}

void CardExamples::append_question(VisionDocument& document, std::int64_t colour, std::int64_t digit) const {
  format_.append_text(document, card_question(colour), false);
  format_.append_text(document, digit_names[static_cast<std::size_t>(digit)], true);
  format_.append_text(document, ".", false);
}

void CardExamples::append_needles(DrawStream& draws, bool has_codes, VisionDocument& document) {
  const std::int64_t most = std::min(options_.max_needles, options_.frames);
  const std::int64_t needles = draws.unit() < options_.dense_probability ? most : 1 + draws.below(most);
  const NeedleVideo video = bank_->world().draw_needle_video(
      {.split = CardSplit::training, .frames = options_.frames, .needles = needles}, draws);
  append_frames(document, video.frames, false, has_codes);
  for (const std::int64_t asked : draw_distinct(needles, needles, draws)) {
    const CardNeedle& needle = video.needles[static_cast<std::size_t>(asked)];
    append_question(document, needle.colour, needle.digit);
  }
}

VisionExample CardExamples::draw(std::int64_t number, std::int64_t round, bool has_codes) {
  VisionExample example{.kind = cycle_[static_cast<std::size_t>(number % std::ssize(cycle_))], .document = {}};
  DrawStream draws(options_.seed, DrawPurpose::vision_example,
                   {options_.stage, static_cast<std::uint64_t>(round), static_cast<std::uint64_t>(number)});
  format_.append_bos(example.document);
  if (example.kind == VisionKind::text) {
    const std::int64_t count = options_.text_tokens - std::ssize(example.document.tokens);
    format_.append_tokens(example.document, draw_window(hay_, count, draws), true);
  } else if (example.kind == VisionKind::needle) {
    append_needles(draws, has_codes, example.document);
  } else {
    append_clip_or_image(example.kind, draws, has_codes, example.document);
  }
  return example;
}

VisionExample CardExamples::example(std::int64_t number, std::int64_t round) { return draw(number, round, true); }
VisionExample CardExamples::outline(std::int64_t number, std::int64_t round) {
  shown_.clear();
  return draw(number, round, false);
}
void CardExamples::prepare(std::span<const std::int64_t> numbers, std::int64_t round) {
  shown_.clear();
  for (const std::int64_t number : numbers) {
    static_cast<void>(draw(number, round, false));
  }
  if (!shown_.empty()) {
    static_cast<void>(bank_->codes(shown_));
  }
}
std::int64_t CardExamples::length(std::int64_t number, std::int64_t round) {
  return std::ssize(outline(number, round).document.tokens);
}

std::int64_t CardExamples::longest(VisionKind kind) const {
  if (kind == VisionKind::text) {
    return options_.text_tokens;
  }
  VisionDocument document;
  format_.append_bos(document);
  if (kind == VisionKind::needle) {
    const std::int64_t frames = format_.vision_length(options_.frames);
    const auto length_of = [&](std::int64_t colour, std::int64_t digit) {
      VisionDocument question;
      append_question(question, colour, digit);
      return std::ssize(question.tokens);
    };
    std::vector<std::int64_t> questions(static_cast<std::size_t>(card_digit_colours), 0);
    for_each_object([&](const CardObject& object) {
      if (object.kind == CardKind::digit) {
        std::int64_t& longest = questions[static_cast<std::size_t>(object.colour)];
        longest = std::max<std::int64_t>(longest, length_of(object.colour, object.name));
      }
    });
    std::ranges::sort(questions, std::ranges::greater{});
    const std::int64_t most = std::min(options_.max_needles, options_.frames);
    std::int64_t tokens = std::ssize(document.tokens) + frames;
    std::for_each_n(questions.begin(), most, [&](std::int64_t question) { tokens += question; });
    return tokens;
  }
  const bool is_image = kind == VisionKind::image_text || kind == VisionKind::text_image;
  std::int64_t longest_caption = 0;
  const auto try_caption = [&](const std::string& caption) {
    longest_caption = std::max<std::int64_t>(longest_caption, std::ssize(format_.tokenizer().encode(caption)));
  };
  if (kind != VisionKind::video) {
    for_each_object([&](const CardObject& object) {
      for (std::int64_t cell = 0; is_image && cell < card_cells; ++cell) {
        try_caption(image_caption({.object = object, .cell = cell}));
      }
      for (std::int64_t direction = 0; !is_image && direction < std::ssize(direction_names); ++direction) {
        try_caption(clip_caption({.object = object, .direction = direction}));
      }
    });
  }
  format_.append_eos(document);
  return std::ssize(document.tokens) + format_.vision_length(is_image ? 1 : clip_frames) + longest_caption;
}

std::string CardExamples::describe(VisionKind kind) const {
  switch (kind) {
    case VisionKind::text:
      return "text";
    case VisionKind::image_text:
    case VisionKind::text_image:
      return fmt::format("{} of 1 frame", name_of(kind));
    case VisionKind::needle:
      return fmt::format("needle video of {} frames", options_.frames);
    default:
      return fmt::format("{} of {} frames", name_of(kind), clip_frames);
  }
}

}  // namespace ringworld
