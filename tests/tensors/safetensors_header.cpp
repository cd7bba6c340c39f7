#include "tensors/safetensors_header.hpp"

#include <gtest/gtest.h>

#include <string>

#include "io/expect_error.hpp"

namespace ringworld {
namespace {

using test::expect_bad_input;

/// The first bytes of a file whose header has `length` bytes.
std::string prefix(std::uint64_t length) {
  std::string bytes;
  for (int byte = 0; byte < 8; ++byte) {
    bytes += static_cast<char>(length >> (8 * byte) & 0xffU);
  }
  return bytes;
}

/// Parses a header of a file that has `data_bytes` behind it.
SafetensorsHeader parse(const std::string& json, std::int64_t data_bytes) {
  return parse_safetensors_header(json, safetensors_prefix_bytes + std::ssize(json) + data_bytes);
}

void refuse(const std::string& json, std::int64_t data_bytes, std::string_view why) {
  expect_bad_input([&] { static_cast<void>(parse(json, data_bytes)); }, {why});
}

TEST(SafetensorsHeader, SaysWhatIsWhere) {
  const std::string json =
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]},)"
      R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
      R"("none":{"dtype":"I64","shape":[0,7],"data_offsets":[4,4]}})";
  const SafetensorsHeader header = parse(json, 16);
  ASSERT_EQ(header.size(), 3U);
  const std::int64_t begin = 8 + std::ssize(json);
  EXPECT_EQ(header.at("a").begin, begin);
  EXPECT_EQ(header.at("b").begin, begin + 4);
  EXPECT_EQ(header.at("b").end, begin + 16);
  EXPECT_EQ(header.at("b").type, SafetensorsType::bfloat16);
  EXPECT_EQ(header.at("b").shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(header.at("none").type, SafetensorsType::other);
}

TEST(SafetensorsHeader, RefusesLengthsThatAreNonsense) {
  EXPECT_EQ(safetensors_header_bytes(prefix(20), 28), 20);
  const auto refuses = [](const std::string& start, std::int64_t file_bytes, std::string_view why) {
    expect_bad_input([&] { static_cast<void>(safetensors_header_bytes(start, file_bytes)); }, {why});
  };
  refuses("1234567", 7, "too few");
  refuses(prefix(21), 28, "it is truncated: its header has 21 bytes, the file 28");
  refuses(prefix(100'000'001), std::int64_t{1} << 40, "it is no safetensors file");
  refuses(prefix(~std::uint64_t{0}), 1000, "it is no safetensors file");
}

TEST(SafetensorsHeader, RefusesWhatDoesNotFitTogether) {
  const auto one = [](const std::string& rest) { return R"({"a":{"dtype":"F32","shape":[2],)" + rest + "}}"; };
  EXPECT_EQ(parse(one(R"("data_offsets":[0,8])"), 8).size(), 1U);
  refuse("{", 0, "its header is not JSON");
  refuse("[]", 0, "its header is no JSON object");
  refuse(R"({"a":3})", 0, "tensor 'a' is not described by an object");
  refuse(R"({"a":{"shape":[2],"data_offsets":[0,8]}})", 8, "tensor 'a' has no dtype");
  refuse(R"({"a":{"dtype":"F12","shape":[2],"data_offsets":[0,8]}})", 8, "unknown dtype 'F12'");
  refuse(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", 8, "tensor 'a': shape is no list");
  refuse(R"({"a":{"dtype":"F32","shape":2,"data_offsets":[0,8]}})", 8, "tensor 'a': shape is no list");
  refuse(one(R"("data_offsets":[0])"), 8, "data_offsets are not a begin and an end");
  refuse(one(R"("data_offsets":[8,0])"), 8, "data_offsets are not a begin and an end");
  refuse(one(R"("data_offsets":[0,8.5])"), 8, "data_offsets is no list of integers");
  refuse(one(R"("data_offsets":[0,8])"), 7, "it is truncated: tensor 'a' ends 1 bytes behind the end");
  refuse(one(R"("data_offsets":[0,12])"), 12, "tensor 'a' of F32 (2) does not fill its 12 bytes");
  refuse(R"({"a":{"dtype":"F32","shape":[4611686018427387904,8],"data_offsets":[0,8]}})", 8, "does not fill");
  refuse(one(R"("data_offsets":[0,8])"), 9, "1 bytes at its end belong to no tensor");
  refuse(one(R"("data_offsets":[4,12])"), 12, "a gap of 4 bytes before tensor 'a'");
  refuse(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
         6, "tensor 'b' overlaps the one before it");
  refuse(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
         4, "its header has 'a' twice");
}

}  // namespace
}  // namespace ringworld
