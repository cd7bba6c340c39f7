#pragma once
/// @file  A number that counts the operations done with it: what an algorithm costs, by running it.

#include <cmath>
#include <compare>
#include <concepts>
#include <cstdint>

namespace ringworld::test {

/// Additions, subtractions, multiplications, divisions, roots, exponentials and logarithms count as one each. A change
/// of sign, a comparison and a copy count as none.
class Counted {
 public:
  Counted() = default;
  template <class Number>
    requires std::integral<Number> || std::floating_point<Number>
  Counted(Number value) : value_(static_cast<double>(value)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] double value() const { return value_; }

  /// Operations that `algorithm` does.
  template <class Algorithm>
  static double operations_of(Algorithm&& algorithm) {
    operations_ = 0;
    algorithm();
    return static_cast<double>(operations_);
  }

  friend Counted operator+(Counted a, Counted b) { return count(a.value_ + b.value_); }
  friend Counted operator-(Counted a, Counted b) { return count(a.value_ - b.value_); }
  friend Counted operator*(Counted a, Counted b) { return count(a.value_ * b.value_); }
  friend Counted operator/(Counted a, Counted b) { return count(a.value_ / b.value_); }
  friend Counted operator-(Counted a) { return {-a.value_}; }
  Counted& operator+=(Counted other) { return *this = *this + other; }
  Counted& operator-=(Counted other) { return *this = *this - other; }
  friend Counted sqrt(Counted a) { return count(std::sqrt(a.value_)); }
  friend Counted exp(Counted a) { return count(std::exp(a.value_)); }
  friend Counted log(Counted a) { return count(std::log(a.value_)); }
  friend auto operator<=>(Counted a, Counted b) { return a.value_ <=> b.value_; }
  friend bool operator==(Counted a, Counted b) { return a.value_ == b.value_; }

 private:
  static Counted count(double value) {
    ++operations_;
    return {value};
  }

  inline static std::int64_t operations_ = 0;
  double value_ = 0;
};

}  // namespace ringworld::test
