// {{#expr:}}: arithmetic by a bounded shunting-yard, with the operators, precedence and notation of
// MediaWiki's ParserFunctions (https://www.mediawiki.org/wiki/Help:Calculation). Numbers are
// doubles, written with 14 digits.
#include <array>
#include <cmath>
#include <cstdio>
#include <vector>

#include "engine/wikitext/marks.hpp"
#include "engine/wikitext/templates/functions.hpp"

namespace corpuskit {

namespace {

// Operators and operands that wait, as in ParserFunctions.
constexpr std::size_t kStack = 100;

// The functions of one number stand between kOpen and kScientific; see is_unary.
enum class Op : std::uint8_t {
    kOpen, kPositive, kNegative, kNot, kSine, kCosine, kTangent, kArcSine, kArcCosine, kArcTangent,
    kExp, kLog, kAbsolute, kFloor, kTruncate, kCeiling, kRoot, kScientific, kPower,
    kTimes, kDivide, kModulo, kRemainder, kPlus, kMinus, kRound,
    kEqual, kUnequal, kLess, kGreater, kLessEqual, kGreaterEqual, kAnd, kOr,
};

// By operator, as MediaWiki has it: -2^2 is 4 and 1e3^2 is 1000000, for signs and "e" bind closest.
constexpr std::int8_t kPrecedence[] = {
    -1, 10, 10, 9, 9, 9, 9, 9, 9, 9,
    9, 9, 9, 9, 9, 9, 9, 10, 8,
    7, 7, 7, 7, 6, 6, 5,
    4, 4, 4, 4, 4, 4, 3, 2,
};

int precedence(Op op) { return kPrecedence[static_cast<std::size_t>(op)]; }

bool is_unary(Op op) { return op >= Op::kPositive && op <= Op::kRoot; }

struct Word {
    std::string_view name;
    Op op;
};
constexpr Word kWords[] = {
    {"not", Op::kNot}, {"sin", Op::kSine}, {"cos", Op::kCosine}, {"tan", Op::kTangent},
    {"asin", Op::kArcSine}, {"acos", Op::kArcCosine}, {"atan", Op::kArcTangent}, {"exp", Op::kExp},
    {"ln", Op::kLog}, {"abs", Op::kAbsolute}, {"floor", Op::kFloor}, {"trunc", Op::kTruncate},
    {"ceil", Op::kCeiling}, {"sqrt", Op::kRoot}, {"e", Op::kScientific}, {"div", Op::kDivide},
    {"mod", Op::kModulo}, {"fmod", Op::kRemainder}, {"round", Op::kRound}, {"and", Op::kAnd},
    {"or", Op::kOr},
};

/// Half away from zero, after the binary noise in the sixteenth digit is taken off.
double round_half_away(double value) {
    const double settled = value + std::copysign(std::abs(value) * 4e-16, value);
    return std::round(settled);
}

double round_to(double value, double places) {
    if (!std::isfinite(value) || std::abs(places) > 300) return places > 0 ? value : 0;
    const double factor = std::pow(10.0, std::abs(std::trunc(places)));
    const double rounded = places >= 0 ? round_half_away(value * factor) / factor
                                       : round_half_away(value / factor) * factor;
    return std::isfinite(rounded) ? rounded : value;
}

// Below 2^63: mod works on PHP's integers.
bool fits_integer(double value) { return std::abs(value) < 9.2e18; }

class Calculator {
  public:
    explicit Calculator(std::string_view text) : text_(text) {}

    /// The values that are left, one by one; false when the text is no expression.
    bool run(std::vector<double>& values) {
        while (at_ < text_.size())
            if (!step()) return false;
        while (!operators_.empty()) {
            if (operators_.back() == Op::kOpen) return false;
            if (!apply()) return false;
        }
        values = operands_;
        return true;
    }

  private:
    bool step() {
        const char c = text_[at_];
        if (is_space(c)) {
            ++at_;
            return true;
        }
        if (is_digit(c) || c == '.') return number();
        if (is_alpha(c)) return word();
        return sign(c);
    }

    bool number() {
        if (!expecting_) return false;
        double mantissa = 0;
        double scale = 1;
        bool fraction = false;
        for (; at_ < text_.size() && (is_digit(text_[at_]) || text_[at_] == '.'); ++at_) {
            if (text_[at_] == '.') {
                if (fraction) {  // "1.2.3": what follows a second point is passed over
                    while (at_ < text_.size() && (is_digit(text_[at_]) || text_[at_] == '.')) ++at_;
                    break;
                }
                fraction = true;
            } else if (!fraction || scale < 1e17) {
                mantissa = mantissa * 10 + (text_[at_] - '0');
                if (fraction) scale *= 10;
            }
        }
        return push(mantissa / scale);
    }

    bool push(double value) {
        if (!expecting_ || operands_.size() >= kStack) return false;
        operands_.push_back(value);
        expecting_ = false;
        return true;
    }

    bool word() {
        std::string name;
        while (at_ < text_.size() && is_alpha(text_[at_])) name.push_back(lower(text_[at_++]));
        if (name == "pi") return push(3.14159265358979323846);
        if (name == "e" && expecting_) return push(2.71828182845904523536);
        for (const Word& word : kWords)
            if (word.name == name) return is_unary(word.op) ? unary(word.op) : binary(word.op);
        return false;
    }

    bool sign(char c) {
        const std::string_view rest = text_.substr(at_);
        const auto take = [&](std::size_t n, Op op) {
            at_ += n;
            return binary(op);
        };
        if (rest.starts_with("<=")) return take(2, Op::kLessEqual);
        if (rest.starts_with("<>") || rest.starts_with("!=")) return take(2, Op::kUnequal);
        if (rest.starts_with(">=")) return take(2, Op::kGreaterEqual);
        if (rest.starts_with("\u2212")) {
            at_ += 3;
            return expecting_ ? unary(Op::kNegative) : binary(Op::kMinus);
        }
        ++at_;
        switch (c) {
            case '+': return expecting_ ? unary(Op::kPositive) : binary(Op::kPlus);
            case '-': return expecting_ ? unary(Op::kNegative) : binary(Op::kMinus);
            case '*': return binary(Op::kTimes);
            case '/': return binary(Op::kDivide);
            case '^': return binary(Op::kPower);
            case '=': return binary(Op::kEqual);
            case '<': return binary(Op::kLess);
            case '>': return binary(Op::kGreater);
            case '(': return unary(Op::kOpen);
            case ')': return close();
            default: return false;
        }
    }

    bool unary(Op op) {
        if (!expecting_ || operators_.size() >= kStack) return false;
        operators_.push_back(op);
        return true;
    }

    bool binary(Op op) {
        if (expecting_) return false;
        while (!operators_.empty() && precedence(op) <= precedence(operators_.back()))
            if (!apply()) return false;
        if (operators_.size() >= kStack) return false;
        operators_.push_back(op);
        expecting_ = true;
        return true;
    }

    bool close() {
        while (!operators_.empty() && operators_.back() != Op::kOpen)
            if (!apply()) return false;
        if (operators_.empty()) return false;
        operators_.pop_back();
        expecting_ = false;
        return true;
    }

    bool apply() {
        const Op op = operators_.back();
        operators_.pop_back();
        if (operands_.size() < (is_unary(op) ? 1U : 2U)) return false;
        const double right = operands_.back();
        if (is_unary(op)) return apply_unary(op, operands_.back());
        operands_.pop_back();
        return apply_binary(op, operands_.back(), right);
    }

    static bool apply_unary(Op op, double& x) {
        switch (op) {
            case Op::kPositive: return true;
            case Op::kNegative: x = -x; return true;
            case Op::kNot: x = x == 0 ? 1 : 0; return true;
            case Op::kSine: x = std::sin(x); return true;
            case Op::kCosine: x = std::cos(x); return true;
            case Op::kTangent: x = std::tan(x); return true;
            case Op::kArcSine: if (std::abs(x) > 1) return false; x = std::asin(x); return true;
            case Op::kArcCosine: if (std::abs(x) > 1) return false; x = std::acos(x); return true;
            case Op::kArcTangent: x = std::atan(x); return true;
            case Op::kExp: x = std::exp(x); return true;
            case Op::kLog: if (x <= 0) return false; x = std::log(x); return true;
            case Op::kAbsolute: x = std::abs(x); return true;
            case Op::kFloor: x = std::floor(x); return true;
            case Op::kTruncate: x = std::trunc(x); return true;
            case Op::kCeiling: x = std::ceil(x); return true;
            case Op::kRoot: if (x < 0) return false; x = std::sqrt(x); return true;
            default: return false;
        }
    }

    static bool apply_binary(Op op, double& left, double right) {
        switch (op) {
            case Op::kScientific: left *= std::pow(10.0, right); return true;
            case Op::kPower: left = std::pow(left, right); return !std::isnan(left);
            case Op::kTimes: left *= right; return true;
            case Op::kDivide: if (right == 0) return false; left /= right; return true;
            case Op::kModulo: {
                if (!fits_integer(left) || !fits_integer(right) || std::trunc(right) == 0)
                    return false;
                left = std::fmod(std::trunc(left), std::trunc(right)) + 0.0;
                return true;
            }
            case Op::kRemainder:
                if (right == 0) return false;
                left = std::fmod(left, right);
                return true;
            case Op::kPlus: left += right; return true;
            case Op::kMinus: left -= right; return true;
            case Op::kRound: left = round_to(left, right); return true;
            case Op::kEqual: left = left == right; return true;
            case Op::kUnequal: left = left != right; return true;
            case Op::kLess: left = left < right; return true;
            case Op::kGreater: left = left > right; return true;
            case Op::kLessEqual: left = left <= right; return true;
            case Op::kGreaterEqual: left = left >= right; return true;
            case Op::kAnd: left = left != 0 && right != 0; return true;
            case Op::kOr: left = left != 0 || right != 0; return true;
            default: return false;
        }
    }

    std::string_view text_;
    std::size_t at_ = 0;
    bool expecting_ = true;  // a number, not an operator
    std::vector<double> operands_;
    std::vector<Op> operators_;
};

/// A double with 14 significant digits, as PHP writes it: 0.1, 1.0E+25, 1.5E-7.
void put_double(double value, std::string& out) {
    if (std::isnan(value)) {
        out.append("NAN");
        return;
    }
    if (std::isinf(value)) {
        out.append(value < 0 ? "-INF" : "INF");
        return;
    }
    std::array<char, 40> buffer{};
    std::snprintf(buffer.data(), buffer.size(), "%.13e", value);
    const std::string_view text(buffer.data());
    const std::size_t e = text.find('e');
    std::string digits;
    for (char c : text.substr(0, e))
        if (is_digit(c)) digits.push_back(c);
    while (digits.size() > 1 && digits.back() == '0') digits.pop_back();
    int exponent = 0;
    for (char c : text.substr(e + 2)) exponent = exponent * 10 + (c - '0');
    if (text[e + 1] == '-') exponent = -exponent;
    if (text.front() == '-') out.push_back('-');
    if (exponent >= 14 || exponent < -4) {
        out.push_back(digits[0]);
        out.push_back('.');
        out.append(digits.size() > 1 ? digits.substr(1) : "0");
        out.append(exponent < 0 ? "E-" : "E+").append(std::to_string(std::abs(exponent)));
    } else if (exponent < 0) {
        out.append("0.").append(static_cast<std::size_t>(-exponent - 1), '0').append(digits);
    } else {
        const auto whole = static_cast<std::size_t>(exponent) + 1;
        if (digits.size() < whole) digits.append(whole - digits.size(), '0');
        out.append(digits, 0, whole);
        if (digits.size() > whole) out.append(".").append(digits, whole);
    }
}

}  // namespace

bool evaluate_expression(std::string_view expression, std::string& result) {
    std::string text;  // without marks, and with the signs that are often written as entities
    for (std::size_t i = 0; i < expression.size(); ++i) {
        const std::string_view rest = expression.substr(i);
        const auto replace = [&](std::string_view entity, std::string_view sign) {
            if (!rest.starts_with(entity)) return false;
            text.append(sign);
            i += entity.size() - 1;
            return true;
        };
        if (replace("&lt;", "<") || replace("&gt;", ">") || replace("&minus;", "-") ||
            replace("&nbsp;", " ") || replace("\u00A0", " "))
            continue;
        if (!is_mark(expression[i])) text.push_back(expression[i]);
    }
    result.clear();
    std::vector<double> values;
    if (!Calculator(text).run(values)) return false;
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (i > 0) result.append("\n");
        put_double(values[i] == 0 ? std::abs(values[i]) : values[i], result);
    }
    return true;
}

}  // namespace corpuskit
