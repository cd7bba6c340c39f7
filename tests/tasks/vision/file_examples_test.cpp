#include "tasks/vision/file_examples.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "data/frame_spread.hpp"
#include "support/expect_error.hpp"
#include "tasks/vision/vision_world.hpp"

namespace ringworld::test {
namespace {

class FileExamplesTest : public ::testing::Test {
 protected:
  ~FileExamplesTest() override { std::filesystem::remove(path); }

  FileExamples read(const std::string& lines, const std::string& fields = {}, std::int64_t max_frames = 0) {
    std::ofstream(path) << lines;
    return {{.path = path, .fields = fields, .max_frames = max_frames}, format, "patches"};
  }
  VisionExample only(const std::string& line, const std::string& fields = {}, std::int64_t max_frames = 0) {
    FileExamples examples = read(line, fields, max_frames);
    EXPECT_EQ(examples.lengths().size(), 1U);
    return examples.example(0, 0);
  }
  void refuses(const std::string& lines, std::initializer_list<std::string_view> parts) {
    expect_error(ErrorKind::bad_input, [&] { (void)read(lines); }, parts);
  }

  std::filesystem::path path =
      std::filesystem::temp_directory_path() / fmt::format("ringworld_examples_{}.jsonl", ::getpid());
  LlamaPieces pieces;
  VisionFormat format{pieces, Vocabulary::parse("text:32000,vision:8448"), 2, 8192};
};

TEST_F(FileExamplesTest, AnImageAndItsCaption) {
  const VisionExample example = only(R"({"fields": "[vision],caption", "vision": [10, 11], "caption": "a cat"})");
  EXPECT_EQ(example.kind, VisionKind::image_text);
  EXPECT_EQ(example.document.tokens,
            (std::vector<Token>{1, 529, 4924, 29958, 32010, 32011, 40193, 1533, 4924, 29958, 263, 6635, 2}));
  EXPECT_EQ(std::ranges::count(example.document.is_target, true), 3);
}

TEST_F(FileExamplesTest, TheKindFollowsFromTheFields) {
  const std::string frames = R"("v": [1, 2, 3, 4], "i": [1, 2], "t": "a cat", "q": "what")";
  const auto kind_of = [&](const std::string& fields) {
    return only("{\"fields\": \"" + fields + "\", " + frames + "}").kind;
  };
  EXPECT_EQ(kind_of("[t],i"), VisionKind::text_image);
  EXPECT_EQ(kind_of("v"), VisionKind::video);
  EXPECT_EQ(kind_of("[t],v"), VisionKind::text_video);
  EXPECT_EQ(kind_of("[v],[q],t"), VisionKind::video_text);
  EXPECT_EQ(kind_of("t"), VisionKind::text);
}

TEST_F(FileExamplesTest, AFieldIsFramesByItsValueNotItsName) {
  // LWM takes "supervision" for frames, since its name holds "vision".
  const VisionExample example = only(R"({"fields": "[pixels],supervision", "pixels": [3, 4], "supervision": "a cat"})");
  EXPECT_EQ(example.kind, VisionKind::image_text);
}

TEST_F(FileExamplesTest, PlusJoinsFramesAndTexts) {
  // LWM documents [vision+question], and stops with a KeyError.
  const VisionExample joined = only(R"({"fields": "[vision+q],a", "vision": [3, 4], "q": "what", "a": "a cat"})");
  const VisionExample apart = only(R"({"fields": "[vision],[q],a", "vision": [3, 4], "q": "what", "a": "a cat"})");
  EXPECT_EQ(joined.document, apart.document);
}

TEST_F(FileExamplesTest, BosAndEosCanBeNamed) {
  EXPECT_EQ(only(R"({"fields": "<|bos|>,a,<|eos|>", "a": "a cat"})").document,
            only(R"({"fields": "a", "a": "a cat"})").document);
  EXPECT_EQ(only(R"({"a": "a cat"})", "a").document.tokens, (std::vector<Token>{1, 263, 6635, 2}));
}

TEST_F(FileExamplesTest, LongVideosKeepFirstAndLastFrame) {
  EXPECT_EQ(spread_frames(10, 4), (std::vector<std::int64_t>{0, 3, 6, 9}));
  EXPECT_EQ(spread_frames(9, 4), (std::vector<std::int64_t>{0, 2, 5, 8}));
  EXPECT_EQ(spread_frames(9, 1), (std::vector<std::int64_t>{0}));
  // numpy rounds 122 / 14 * 7 to below 61.
  EXPECT_EQ(spread_frames(123, 15)[7], 60);
  const VisionExample example = only(R"({"fields": "v", "v": [0, 1, 10, 11, 20, 21]})", {}, 2);
  EXPECT_EQ(example.document.tokens,
            (std::vector<Token>{1, 529, 4924, 29958, 32000, 32001, 40192, 32020, 32021, 40193, 1533, 4924, 29958, 2}));
}

TEST_F(FileExamplesTest, MistakesNameTheirLine) {
  const std::string good = R"({"fields": "a", "a": "cat"})"
                           "\n\n";
  refuses(good + R"({"fields": "[vision],a", "a": "cat"})", {"line 3", "field 'vision' is missing"});
  refuses(good + R"({"fields": "v", "v": [1, 2, 3]})", {"line 3", "field 'v' has 3 codes", "frames of 2"});
  refuses(good + R"({"fields": "v", "v": [1, 8192]})", {"line 3", "code 8192", "codebook of 8192"});
  refuses(good + R"({"fields": "v", "v": []})", {"line 3", "0 codes"});
  refuses(good + R"({"fields": "v", "v": 7})", {"line 3", "'v' is no text"});
  refuses(good + R"({"a": "cat"})", {"line 3", "no 'fields'"});
  refuses(good + "{", {"line 3"});
  refuses("\n", {"no example"});
}

}  // namespace
}  // namespace ringworld::test
