#pragma once
/// @file  Expectations on errors: what kind, and what a person reads.

#include <gtest/gtest.h>

#include <initializer_list>
#include <string_view>

#include "core/error.hpp"

namespace ringworld::test {

/// Expects `function` to throw Error of this kind, whose message holds each of `parts`.
template <class Function>
void expect_error(ErrorKind kind, Function&& function, std::initializer_list<std::string_view> parts = {}) {
  try {
    function();
    ADD_FAILURE() << "no error was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind);
    for (const auto part : parts) {
      EXPECT_NE(std::string_view(error.what()).find(part), std::string_view::npos)
          << "'" << error.what() << "' does not say '" << part << "'";
    }
  }
}

}  // namespace ringworld::test
