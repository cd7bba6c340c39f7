#pragma once
/// @file  Expectations on the errors that users see.

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <string_view>

#include "core/error.hpp"

namespace ringworld::test {

/// Expects `function` to throw Error (bad_input) whose message holds each of `parts`.
template <class Function>
void expect_bad_input(Function&& function, std::initializer_list<std::string_view> parts) {
  try {
    function();
    ADD_FAILURE() << "no error was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::bad_input);
    for (const auto part : parts) {
      EXPECT_NE(std::string_view(error.what()).find(part), std::string_view::npos)
          << "'" << error.what() << "' does not say '" << part << "'";
    }
  }
}

}  // namespace ringworld::test
