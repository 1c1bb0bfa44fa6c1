// Parser functions in a page: found when their braces close, with arguments that are extracted
// already.
#include <algorithm>

#include "engine/wikitext/parse/engine.hpp"

namespace corpuskit {

/// Appends what the innermost braces give to scratch_ if they call a parser function; else returns
/// false.
bool WikitextEngine::finish_function(const Frame& frame) {
    // Not trimmed at its end, where an error may stand that {{#iferror:}} asks for.
    std::string_view title = skip_blank(before_bars(frame));
    for (std::string_view prefix : {"subst:", "safesubst:"})
        if (equal_folded(title.substr(0, prefix.size()), prefix))
            title = skip_blank(title.substr(prefix.size()));
    const std::size_t colon = title.substr(0, kLongestFunction).find(':');
    const std::string name = plain(title.substr(0, std::min(colon, kLongestFunction + 1)));
    const Function function = find_function(name, colon != kNone);
    if (function == Function::kUnknown || function == Function::kInvoke) return false;
    count_step(bars_.size() - frame.first_bar + title.size());
    function_arguments_.clear();
    function_arguments_.push_back({colon == kNone ? std::string_view{} : title.substr(colon + 1)});
    for (std::size_t i = frame.first_bar; i < bars_.size(); ++i) {
        function_arguments_.push_back({behind_bar(i), equals_of(i)});
        count_step(behind_bar(i).size() + 1);
    }
    if (function == Function::kTag) {
        finish_tag_function();
        return true;
    }
    return call_function(function, function_arguments_, {options_.language, title_}, scratch_);
}

/// {{#tag:ref|text|name=a}} is <ref name="a">text</ref>.
void WikitextEngine::finish_tag_function() {
    std::string name = plain(function_arguments_[0].text);
    for (char& c : name) c = lower(c);
    const std::string_view content = function_arguments_.size() > 1
                                         ? trim(function_arguments_[1].text)
                                         : std::string_view{};
    switch (find_tag(name).kind) {
        case Tag::kReference: ++counters_->references; return;
        case Tag::kDrop: return;
        case Tag::kMath: scratch_.append("$").append(content).append("$"); return;
        case Tag::kBlock:
        case Tag::kPre:
        case Tag::kPoem: scratch_.append(1, kBlock).append(content).append(1, kBlock); return;
        default: scratch_.append(content);
    }
}

}  // namespace corpuskit
