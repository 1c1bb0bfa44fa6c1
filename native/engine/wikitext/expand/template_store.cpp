// Definitions of templates by title.

#include "engine/text/case.hpp"
#include "engine/text/utf8.hpp"
#include "engine/wikitext/expand/expand.hpp"
#include "engine/wikitext/marks.hpp"

namespace corpuskit {

std::string template_key(std::string_view title) {
    const std::string key = collapse(title, " \t\n_", ' ');
    if (key.empty()) return key;
    std::size_t at = 0;
    const char32_t first = next_code_point(key, at);
    std::string upper;
    put_code_point(upper, upper_case(first));
    return upper + key.substr(at);
}

TemplateStore::TemplateStore(const std::vector<std::string>& prefixes) : prefixes_{"template"} {
    for (const std::string& name : prefixes) prefixes_.insert(fold_name(name));
}

void TemplateStore::add(std::string_view title, std::string_view text) {
    const auto [it, added] = definitions_.try_emplace(template_key(title));
    if (!added) return;
    it->second.text = resolve_inclusion(text, true);
    it->second.text.shrink_to_fit();
    bytes_ += it->second.text.size() + it->first.size();
}

void TemplateStore::add_redirect(std::string_view title, std::string_view target) {
    std::string key = template_key(title);
    bytes_ += key.size() + target.size();
    redirects_.try_emplace(std::move(key), template_key(target));
}

TemplateStore::Definition* TemplateStore::find(const std::string& key) {
    auto found = definitions_.find(key);
    if (found == definitions_.end()) {
        const auto redirect = redirects_.find(key);
        if (redirect == redirects_.end()) return nullptr;
        found = definitions_.find(redirect->second);
    }
    return found == definitions_.end() ? nullptr : &found->second;
}

const WikiTree& TemplateStore::tree(Definition& definition, bool variants) {
    if (!definition.tree) {
        definition.tree =
            std::make_unique<WikiTree>(preprocess_wikitext(definition.text, variants));
        tree_bytes_ += definition.tree->bytes();
    }
    return *definition.tree;
}

void TemplateStore::forget_trees() {
    if (tree_bytes_ <= kMostTreeBytes) return;
    for (auto& [key, definition] : definitions_) definition.tree.reset();
    tree_bytes_ = 0;
}

}  // namespace corpuskit
