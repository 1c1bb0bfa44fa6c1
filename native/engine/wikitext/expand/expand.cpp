// The expander: pages, calls of templates, their arguments. Parser functions: functions.cpp.
#include <array>
#include <bit>
#include <stdexcept>

#include "engine/wikitext/expand/machine.hpp"

namespace corpuskit {

namespace {
constexpr std::size_t kLongestTitle = 255;
// A call costs look-ups and a scope even when it writes nothing.
constexpr std::int64_t kCallSteps = 32;  // what a call costs beside its bytes

/// Takes "Template:" and "subst:" off a name.
std::string_view strip_prefixes(std::string_view name, const NameSet& spaces) {
    for (std::string_view prefix : {"subst:", "safesubst:", "msg:", "raw:", "msgnw:"})
        if (equal_folded(name.substr(0, prefix.size()), prefix))
            name = trim(name.substr(prefix.size()));
    const std::size_t colon = name.find(':');
    if (colon == kNone || colon > 40) return name;
    return spaces.contains(fold_name(trim(name.substr(0, colon)))) ? trim(name.substr(colon + 1))
                                                                   : name;
}

}  // namespace

// ------------------------------------------------------------------------------------- the machine

void ExpandMachine::expand(std::string_view page, std::string_view title, std::string& out,
                           ExpandCounters& counters) {
    counters_ = &counters;
    const WikiTree tree = preprocess_wikitext(resolve_inclusion(page, false), variants_);
    table_bytes_ = std::max(table_bytes_, tree.table_bytes());
    if (tree.too_large) {
        ++counters.over;
        out.append(page);
        return;
    }
    title_ = title;
    out_.clear();
    tasks_.clear();
    collected_.clear();
    held_ = 0;
    scopes_.clear();
    scopes_.emplace_back();
    scopes_[0].tree = &tree;
    max_steps_ =
        static_cast<std::int64_t>(budget_.steps_base + budget_.steps_per_byte * page.size());
    max_output_ = budget_.output_base + budget_.output_per_byte * page.size();
    call_limit_ = max_steps_;
    tasks_.push_back({.state = State::kSequence, .scope = 0, .node = tree.head});
    while (!tasks_.empty()) step();
    out.append(out_);
    scopes_.clear();
    store_.forget_trees();
}

void ExpandMachine::step() {
    ++counters_->steps;
    if (tasks_.size() > 1 && over()) return give_up_call();
    Task& task = tasks_.back();
    switch (task.state) {
        case State::kSequence: return sequence(task);
        case State::kTrim:
            trim_from(task.start);
            return pop();
        case State::kParameter: return parameter();
        case State::kArgument: return argument_done();
        case State::kName: return name_done();
        case State::kArgumentName: return bind(task.part);
        case State::kBody: return body_done();
        case State::kLeft: return leave_next();
        case State::kCollect: return collect();
        case State::kCompare: {
            const bool same = equal_values(trim(written(task)), collected_.back());
            return choose(same ? 2 : 3);
        }
        case State::kCase: return case_named();
    }
}

void ExpandMachine::push_sequence(const Task& from, std::uint32_t head, std::uint32_t stop) {
    tasks_.push_back({.state = State::kSequence,
                      .scope = from.scope,
                      .node = head,
                      .stop = stop,
                      .start = out_.size(),
                      .collected = collected_.size(),
                      .left = from.left});
}

void ExpandMachine::sequence(Task& task) {
    if (task.node == task.stop || task.node == kNoNode) return pop();
    const std::uint32_t at = task.node;
    const WikiNode& node = node_of(task);
    task.node = node.next;
    if (node.kind == Kind::kText) return write(tree_of(task).text(node));
    if (tasks_.size() == 1) {
        held_ = 0;
        page_node_ = at;
        page_node_start_ = out_.size();
        // A call of the page itself may take half of what is left, so that one that explodes leaves
        // steps for those behind it.
        call_limit_ = counters_->steps +
                      std::max<std::int64_t>(0, max_steps_ - counters_->steps) / 2;
        if (over()) return write_raw(node);
    }
    const Task inner{.state = node.kind == Kind::kCall ? State::kName : State::kParameter,
                     .scope = task.scope,
                     .node = at,
                     .start = out_.size(),
                     .collected = collected_.size(),
                     .left = task.left};
    tasks_.push_back(inner);
    push_part(inner, node.part);
}

void ExpandMachine::write_raw(const WikiNode& node) {
    ++counters_->over;
    out_.append(scopes_[0].tree->text(node));
}

/// Gives up the call of the page that is being expanded: it is written as it stands there.
void ExpandMachine::give_up_call() {
    tasks_.resize(1);
    scopes_.resize(1);
    collected_.clear();
    held_ = 0;
    out_.resize(page_node_start_);
    write_raw(scopes_[0].tree->nodes[page_node_]);
}

void ExpandMachine::trim_from(std::size_t start) {
    const std::string_view text = std::string_view(out_).substr(start);
    const std::string_view kept = trim(text);
    if (kept.size() == text.size()) return;
    count(kept.size() / 4);
    const auto from = static_cast<std::size_t>(kept.data() - text.data());
    const std::size_t length = kept.size();
    out_.erase(start + from + length);
    out_.erase(start, from);
}

// -------------------------------------------------------------------------------------- parameters

void ExpandMachine::parameter() {
    Task& task = tasks_.back();
    const std::string name(trim(written(task)));
    Scope& scope = scopes_[task.scope];
    const WikiNode& node = node_of(task);
    const auto found = scope.arguments.find(name);
    if (found != scope.arguments.end()) {
        Argument& argument = found->second;
        if (argument.ready) {
            replace(task, argument.value);
            return pop();
        }
        out_.resize(task.start);
        task.state = State::kArgument;
        task.argument = &argument;
        Task giver = task;
        giver.scope = scope.caller;
        return push_sequence(giver, argument.head);
    }
    if (node.parts > 1) {
        out_.resize(task.start);
        const Task here = task;
        pop();
        return push_part(here, node.part + 1);
    }
    replace(task, "{{{" + name + "}}}");
    pop();
}

void ExpandMachine::argument_done() {
    Task& task = tasks_.back();
    if (task.argument->named) trim_from(task.start);
    task.argument->value.assign(written(task));
    task.argument->ready = true;
    held_ += task.argument->value.size();
    count(task.argument->value.size() / 4);
    pop();
}

// ------------------------------------------------------------------------------------------- calls

void ExpandMachine::name_done() {
    Task& task = tasks_.back();
    counters_->steps += kCallSteps;
    const std::string written_name(written(task));
    out_.resize(task.start);
    const std::string_view name = strip_prefixes(trim(written_name), store_.prefixes());
    if (call_function_or_variable(name)) return;
    if (name.empty() || name.size() > kLongestTitle || name.find_first_of("[]{}<>\n") != kNone)
        return leave(name);
    if (is_known(name)) {
        ++counters_->ruled;
        return leave(name);
    }
    call_template(name);
}

/// Whether the extractor has a rule or a class for a template.
bool ExpandMachine::is_known(std::string_view name) {
    const std::string key = fold_name(name);
    std::string matched;
    if (options_.templates && options_.templates->find(key, matched) != nullptr) return true;
    return classes_.find(key).kind != TemplateClass::kNone;
}

// --------------------------------------------------------------------------------------- templates

void ExpandMachine::call_template(std::string_view name) {
    std::string key = template_key(name);
    TemplateStore::Definition* definition = store_.find(key);
    if (definition == nullptr) {
        ++counters_->undefined;
        return leave(name);
    }
    std::size_t depth = 1;
    for (std::uint32_t at = tasks_.back().scope; at > 0; at = scopes_[at].caller, ++depth) {
        if (scopes_[at].key != key) continue;
        ++counters_->loops;
        return leave(name);
    }
    const WikiTree& tree = store_.tree(*definition, variants_);
    if (depth > budget_.depth || tree.too_large) {
        ++counters_->over;
        return leave(name);
    }
    counters_->depth = std::max(counters_->depth, static_cast<std::int64_t>(depth));
    Task& task = tasks_.back();
    scopes_.emplace_back();
    Scope& scope = scopes_.back();
    scope.tree = &tree;
    scope.key = std::move(key);
    scope.caller = task.scope;
    scope.task = tasks_.size() - 1;
    task.state = State::kArgumentName;
    task.part = 0;
    task.fallback = 0;  // here: how many positional arguments there were
    bind(0);
}

/// Binds the arguments of the call behind part `from`, whose name has just been written if `from`
/// is not 0.
void ExpandMachine::bind(std::uint32_t from) {
    Task& task = tasks_.back();
    const WikiTree& tree = tree_of(task);
    const WikiNode& node = node_of(task);
    Scope& scope = scopes_.back();
    const auto keep = [&](std::string name, std::uint32_t head, bool named) {
        Argument& argument = scope.arguments[std::move(name)];  // the last one of a name wins
        argument.head = head;
        argument.named = named;
        counters_->steps += 8;
    };
    if (from > 0) {
        const WikiPart& part = tree.parts[node.part + from];
        keep(std::string(trim(written(task))), tree.nodes[part.equals].next, true);
        out_.resize(task.start);
    }
    for (std::uint32_t i = from + 1; i < node.parts; ++i) {
        const WikiPart& part = tree.parts[node.part + i];
        if (part.equals == kNoNode) {
            keep(std::to_string(++task.fallback), part.head, false);
            continue;
        }
        const WikiNode& first = tree.nodes[part.head];
        const bool plain_name = part.head == part.equals ||
                                (first.kind == Kind::kText && first.next == part.equals);
        if (!plain_name) {
            task.part = i;
            return push_sequence(Task(task), part.head, part.equals);
        }
        keep(part.head == part.equals ? std::string() : std::string(trim(tree.text(first))),
             tree.nodes[part.equals].next, true);
    }
    task.state = State::kBody;
    Task body = task;
    body.scope = static_cast<std::uint32_t>(scopes_.size() - 1);
    body.left = 0;
    push_sequence(body, scope.tree->head);
}

void ExpandMachine::body_done() {
    Task& task = tasks_.back();
    ++counters_->expanded;
    for (const auto& [name, argument] : scopes_.back().arguments)
        held_ -= std::min(held_, argument.value.size());
    scopes_.pop_back();
    const std::string_view text = written(task);
    // As in MediaWiki, a list or table that a template begins starts a line.
    const bool block = !text.empty() && (is_any(text[0], ":;#*") || text.starts_with("{|"));
    if (block && task.start > 0 && out_[task.start - 1] != '\n') {
        count(text.size() / 4);
        out_.insert(task.start, 1, '\n');
    }
    pop();
}

/// Leaves the call to the extractor: its name is written, then its parts, expanded.
void ExpandMachine::leave(std::string_view name) {
    Task& task = tasks_.back();
    task.state = State::kLeft;
    task.part = 0;
    ++task.left;
    write("{{");
    write(name);
}

void ExpandMachine::leave_next() {
    Task& task = tasks_.back();
    const WikiNode& node = node_of(task);
    if (++task.part >= node.parts) {
        write("}}");
        return pop();
    }
    write("|");
    push_part(Task(task), node.part + task.part);
}

/// A module was called: the template whose definition calls it is left. In a page itself nothing is
/// written.
void ExpandMachine::lua() {
    ++counters_->lua;
    const std::uint32_t at = tasks_.back().scope;
    if (at == 0) {
        out_.resize(tasks_.back().start);
        return pop();
    }
    const std::string name = scopes_[at].key;
    const std::size_t task = scopes_[at].task;
    for (std::size_t i = at; i < scopes_.size(); ++i)
        for (const auto& [key, argument] : scopes_[i].arguments)
            held_ -= std::min(held_, argument.value.size());
    scopes_.resize(at);
    tasks_.resize(task + 1);
    collected_.resize(tasks_.back().collected);
    out_.resize(tasks_.back().start);
    leave(name);
}

// ------------------------------------------------------------------------------------------- batch

ExpandBatch expand_wikitext(const Column& pages, const Column& titles,
                            TemplateStore& store, const WikitextOptions& options,
                            const ExpandBudget& budget) {
    if (pages.size != titles.size)
        throw std::invalid_argument("there are not as many titles as pages");
    check_column(pages);
    check_column(titles);
    ExpandMachine machine(store, options, budget);
    ExpandBatch batch;
    for (std::size_t i = 0; i < pages.size; ++i) {
        ExpandCounters c;
        machine.expand(pages[i], titles[i], batch.texts.bytes, c);
        batch.texts.end_string();
        const auto row = std::bit_cast<std::array<std::int64_t, kExpandCounters>>(c);
        batch.counters.insert(batch.counters.end(), row.begin(), row.end());
    }
    batch.table_bytes = machine.table_bytes();
    return batch;
}

}  // namespace corpuskit
