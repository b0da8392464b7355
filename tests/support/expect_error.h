#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "layerkit/base/error.h"

namespace layerkit::testing {

/// Runs `work` and expects an Error with this code whose message contains `text`.
inline void expect_error(Errc code, const std::string& text, const std::function<void()>& work) {
  try {
    work();
    ADD_FAILURE() << "no error; expected one with: " << text;
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(code)) << error.what();
    EXPECT_NE(error.message().find(text), std::string::npos)
        << "message: " << error.message() << "\nwanted:  " << text;
  }
}

}  // namespace layerkit::testing
