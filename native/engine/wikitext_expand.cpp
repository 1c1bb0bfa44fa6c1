#include "wikitext_expand.hpp"

#include <algorithm>
#include <deque>
#include <stdexcept>

#include "text_case.hpp"
#include "wikitext_internal.hpp"

namespace corpuskit {

namespace {

constexpr std::size_t kNone = std::string::npos;
constexpr std::size_t kLongestTitle = 255;
constexpr std::size_t kMostTasks = 100'000;
constexpr std::int64_t kCallSteps = 32;  // what a call costs beside its bytes

struct Scope;

struct Argument {
    std::uint32_t head = kNoNode;  // of its value, in the tree of the scope that gives it
    bool named = false;            // values of named arguments are trimmed
    bool ready = false;
    std::string value;
};

/// A page or a template while it is expanded.
struct Scope {
    const WikiTree* tree = nullptr;
    std::string key;           // of the template; empty for the page
    std::uint32_t caller = 0;  // the scope in which the arguments are expanded
    std::size_t task = 0;      // the call that made it
    std::unordered_map<std::string, Argument> arguments;
};

enum class State : std::uint8_t {
    kSequence,     // writes the nodes from `node` up to `stop`
    kTrim,         // what was written is trimmed
    kParameter,    // its name was written
    kArgument,     // the value of an argument was written, to be kept
    kName,         // the name of a call was written
    kArgumentName,  // the name of an argument was written
    kBody,         // the body of a template was written
    kLeft,         // a call that is left: its parts are written one by one
    kCollect,      // the arguments of a function are written one by one
    kCompare,      // the second value of #ifeq was written
    kCase,         // the name of a case of #switch was written
};

struct Task {
    State state;
    std::uint32_t scope;
    std::uint32_t node = kNoNode;  // the next one of a sequence; else the call or parameter
    std::uint32_t stop = kNoNode;
    std::uint32_t part = 0;
    std::uint32_t fallback = 0;    // the part that a #switch takes if none fits; 0 for none
    bool found = false, default_next = false, last_has_equals = true;
    Function function = Function::kUnknown;
    std::size_t start = 0;      // where what it writes begins
    std::size_t collected = 0;  // how many strings were kept aside before it
    std::uint32_t left = 0;     // how many calls that are left it stands in
    Argument* argument = nullptr;
};

/// Takes "Template:" and "subst:" off a name.
std::string_view strip_prefixes(std::string_view name, const NameSet& spaces) {
    for (std::string_view prefix : {"subst:", "safesubst:", "msg:", "raw:", "msgnw:"})
        if (equal_folded(name.substr(0, prefix.size()), prefix)) name = trim(name.substr(prefix.size()));
    const std::size_t colon = name.find(':');
    if (colon == kNone || colon > 40) return name;
    return spaces.contains(fold_name(trim(name.substr(0, colon)))) ? trim(name.substr(colon + 1)) : name;
}

/// Modules that look at arguments and write nothing for a reader.
bool is_silent_module(std::string_view name) {
    static constexpr std::string_view kSilent[] = {
        "check for unknown parameters", "check for deprecated parameters", "check for conflicting parameters",
        "check for clobbered parameters", "templatepar", "parameter validation", "templatedata"};
    return std::any_of(std::begin(kSilent), std::end(kSilent), [&](auto s) { return equal_folded(s, name); });
}

}  // namespace

std::string template_key(std::string_view title) {
    std::string key;
    for (char c : title) {
        if (c == '_' || c == ' ' || c == '\n' || c == '\t') {
            if (!key.empty() && key.back() != ' ') key.push_back(' ');
        } else {
            key.push_back(c);
        }
    }
    if (!key.empty() && key.back() == ' ') key.pop_back();
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
        definition.tree = std::make_unique<WikiTree>(preprocess_wikitext(definition.text, variants));
        tree_bytes_ += definition.tree->bytes();
    }
    return *definition.tree;
}

void TemplateStore::forget_trees() {
    if (tree_bytes_ <= kMostTreeBytes) return;
    for (auto& [key, definition] : definitions_) definition.tree.reset();
    tree_bytes_ = 0;
}

class ExpandMachine {
  public:
    ExpandMachine(TemplateStore& store, const WikitextOptions& options, const ExpandBudget& budget)
        : store_(store), options_(options), budget_(budget),
          classes_(options.template_classes), variants_(has_variants(options.language)) {}

    void expand(std::string_view page, std::string_view title, std::string& out, ExpandCounters& counters);
    std::size_t table_bytes() const { return table_bytes_; }

  private:
    using Kind = WikiNode::Kind;

    void step();
    void sequence(Task& task);
    void parameter();
    void argument_done();
    void name_done();
    bool call_function_or_variable(std::string_view name);
    void begin_function(Function function, std::string_view first);
    void choose(std::uint32_t argument);
    void begin_switch(std::string_view primary);
    void next_case();
    void case_named();
    void collect();
    void finish_function();
    void tag_function(std::string& result);
    void call_template(std::string_view name);
    void bind(std::uint32_t from);
    void body_done();
    void leave(std::string_view name);
    void leave_next();
    void lua();
    void give_up_call();
    void write_raw(const WikiNode& node);

    bool is_known(std::string_view name);
    bool over() const {
        return counters_->steps > call_limit_ || out_.size() + held_ > max_output_ || tasks_.size() > kMostTasks;
    }
    const WikiTree& tree_of(const Task& task) const { return *scopes_[task.scope].tree; }
    const WikiNode& node_of(const Task& task) const { return tree_of(task).nodes[task.node]; }
    void write(std::string_view text) {
        out_.append(text);
        counters_->steps += static_cast<std::int64_t>(text.size()) / 4 + 1;
    }
    std::string_view written(const Task& task) const { return std::string_view(out_).substr(task.start); }
    void replace(const Task& task, std::string_view by) {
        out_.resize(task.start);
        write(by);
    }
    void trim_from(std::size_t start);
    void push_sequence(const Task& from, std::uint32_t head, std::uint32_t stop = kNoNode);
    void push_part(const Task& from, std::uint32_t part) { push_sequence(from, tree_of(from).parts[part].head); }
    void pop() {
        collected_.resize(tasks_.back().collected);
        tasks_.pop_back();
    }

    TemplateStore& store_;
    const WikitextOptions& options_;
    ExpandBudget budget_;
    TemplateClasses classes_;
    bool variants_;

    std::string_view title_;
    std::string out_;
    std::vector<Task> tasks_;
    std::deque<Scope> scopes_;
    std::vector<std::string> collected_;
    std::size_t held_ = 0;  // bytes of arguments that are kept
    std::size_t max_output_ = 0;
    std::int64_t max_steps_ = 0, call_limit_ = 0;
    std::uint32_t page_node_ = kNoNode;  // the call or parameter of the page that is being expanded
    std::size_t page_node_start_ = 0;    // where what it writes begins
    ExpandCounters* counters_ = nullptr;
    std::size_t table_bytes_ = 0;
};

// ------------------------------------------------------------------------------------------- the machine

void ExpandMachine::expand(std::string_view page, std::string_view title, std::string& out, ExpandCounters& counters) {
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
    max_steps_ = static_cast<std::int64_t>(budget_.steps_base + budget_.steps_per_byte * page.size());
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
    tasks_.push_back({.state = State::kSequence, .scope = from.scope, .node = head, .stop = stop, .start = out_.size(),
                      .collected = collected_.size(), .left = from.left});
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
        // A call of the page itself may take half of what is left.
        call_limit_ = counters_->steps + std::max<std::int64_t>(0, max_steps_ - counters_->steps) / 2;
        if (over()) return write_raw(node);
    }
    const Task inner{.state = node.kind == Kind::kCall ? State::kName : State::kParameter, .scope = task.scope, .node = at,
                     .start = out_.size(), .collected = collected_.size(), .left = task.left};
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
    counters_->steps += static_cast<std::int64_t>(kept.size()) / 4;
    const auto from = static_cast<std::size_t>(kept.data() - text.data());
    const std::size_t length = kept.size();
    out_.erase(start + from + length);
    out_.erase(start, from);
}

// -------------------------------------------------------------------------------------------- parameters

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
    counters_->steps += static_cast<std::int64_t>(task.argument->value.size()) / 4;
    pop();
}

// ------------------------------------------------------------------------------------------------- calls

void ExpandMachine::name_done() {
    Task& task = tasks_.back();
    counters_->steps += kCallSteps;
    const std::string written_name(written(task));
    out_.resize(task.start);
    const std::string_view name = strip_prefixes(trim(written_name), store_.prefixes());
    if (call_function_or_variable(name)) return;
    if (name.empty() || name.size() > kLongestTitle || name.find_first_of("[]{}<>\n") != kNone) return leave(name);
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

bool ExpandMachine::call_function_or_variable(std::string_view name) {
    Task& task = tasks_.back();
    if (node_of(task).parts == 1 && (name == "!" || name == "=")) {
        if (task.left > 0) write("{{" + std::string(name) + "}}");  // it is still to be read as a call's argument
        else write(name == "!" ? "|" : "=");
        pop();
        return true;
    }
    const std::size_t colon = name.find(':');
    const Function function = find_function(trim(name.substr(0, std::min(colon, name.size()))), colon != kNone);
    if (function == Function::kUnknown) return false;
    begin_function(function, colon == kNone ? std::string_view{} : trim(name.substr(colon + 1)));
    return true;
}

void ExpandMachine::begin_function(Function function, std::string_view first) {
    Task& task = tasks_.back();
    task.function = function;
    std::string value;
    switch (function) {
        case Function::kIf: return choose(first.empty() ? 2 : 1);
        case Function::kIfExists: return choose(1);
        case Function::kIfExpression:
            if (evaluate_expression(first, value)) return choose(value.empty() || value == "0" ? 2 : 1);
            write(kFunctionError);
            return pop();
        case Function::kIfError:
            if (has_error(first)) return choose(1);
            if (node_of(task).parts > 2) return choose(2);
            write(first);
            return pop();
        case Function::kIfEqual:
            if (node_of(task).parts < 2) return choose(equal_values(first, "") ? 2 : 3);
            collected_.emplace_back(first);
            task.state = State::kCompare;
            return push_part(Task(task), node_of(task).part + 1);
        case Function::kSwitch: return begin_switch(first);
        case Function::kInvoke:
            if (is_silent_module(first)) return pop();
            return lua();
        default:
            collected_.emplace_back(first);
            held_ += first.size();
            task.state = State::kCollect;
            task.part = 0;
    }
}

/// The call becomes the value of its argument with this number (from 1), trimmed.
void ExpandMachine::choose(std::uint32_t argument) {
    Task& task = tasks_.back();
    out_.resize(task.start);
    collected_.resize(task.collected);
    const WikiNode& node = node_of(task);
    if (argument >= node.parts) return pop();
    task.state = State::kTrim;
    push_part(Task(task), node.part + argument);
}

void ExpandMachine::begin_switch(std::string_view primary) {
    Task& task = tasks_.back();
    collected_.emplace_back(primary);
    task.state = State::kCase;
    task.part = 0;
    next_case();
}

/// Asks for the name of the next case, or takes the default.
void ExpandMachine::next_case() {
    Task& task = tasks_.back();
    const WikiNode& node = node_of(task);
    if (++task.part >= node.parts) {
        const std::uint32_t chosen = task.last_has_equals ? task.fallback : node.parts - 1;
        out_.resize(task.start);
        if (chosen == 0) return pop();
        task.state = State::kTrim;
        const WikiPart& part = tree_of(task).parts[node.part + chosen];
        const bool named = part.equals != kNoNode;
        return push_sequence(Task(task), named ? tree_of(task).nodes[part.equals].next : part.head);
    }
    const WikiPart& part = tree_of(task).parts[node.part + task.part];
    push_sequence(Task(task), part.head, part.equals);
}

void ExpandMachine::case_named() {
    Task& task = tasks_.back();
    const WikiNode& node = node_of(task);
    const WikiPart& part = tree_of(task).parts[node.part + task.part];
    const std::string_view name = trim(written(task));
    const bool fits = equal_values(name, collected_[task.collected]);
    const bool is_default = equal_folded(name, "#default");
    counters_->steps += static_cast<std::int64_t>(name.size()) / 4;
    out_.resize(task.start);
    task.last_has_equals = part.equals != kNoNode;
    if (!task.last_has_equals) {
        task.found = task.found || fits;
        task.default_next = task.default_next || is_default;
        return next_case();
    }
    if (task.found || fits) {
        task.state = State::kTrim;
        return push_sequence(Task(task), tree_of(task).nodes[part.equals].next);
    }
    if (task.default_next || is_default) task.fallback = task.part;
    task.default_next = false;
    next_case();
}

void ExpandMachine::collect() {
    Task& task = tasks_.back();
    const WikiNode& node = node_of(task);
    if (task.part > 0) {
        collected_.emplace_back(written(task));
        held_ += collected_.back().size();
        out_.resize(task.start);
    }
    if (++task.part >= node.parts) return finish_function();
    push_part(Task(task), node.part + task.part);
}

void ExpandMachine::finish_function() {
    Task& task = tasks_.back();
    std::vector<FunctionArgument> arguments;
    for (std::size_t i = task.collected; i < collected_.size(); ++i) {
        held_ -= std::min(held_, collected_[i].size());
        counters_->steps += static_cast<std::int64_t>(collected_[i].size()) / 2 + 1;
        arguments.push_back({collected_[i], i == task.collected ? kNone : collected_[i].find('=')});
    }
    std::string result;
    if (task.function == Function::kTag) tag_function(result);
    else call_function(task.function, arguments, {options_.language, title_}, result);
    write(result);
    pop();
}

/// {{#tag:ref|text|name=a}} -> <ref name="a">text</ref>
void ExpandMachine::tag_function(std::string& result) {
    const std::size_t first = tasks_.back().collected;
    const std::string name(trim(collected_[first]));
    result.append("<").append(name);
    for (std::size_t i = first + 2; i < collected_.size(); ++i) {
        const std::string_view attribute = trim(collected_[i]);
        const std::size_t equals = attribute.find('=');
        if (equals == kNone) continue;
        std::string_view value = trim(attribute.substr(equals + 1));
        if (value.size() > 1 && (value[0] == '"' || value[0] == '\'') && value.back() == value[0])
            value = value.substr(1, value.size() - 2);
        result.append(" ").append(trim(attribute.substr(0, equals))).append("=\"").append(value).append("\"");
    }
    result.append(">");
    if (collected_.size() > first + 1) result.append(trim(collected_[first + 1]));
    result.append("</").append(name).append(">");
}

// --------------------------------------------------------------------------------------------- templates

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

/// Binds the arguments of the call behind part `from`, whose name has just been written if `from` is not 0.
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
        const bool plain_name = part.head == part.equals || (first.kind == Kind::kText && first.next == part.equals);
        if (!plain_name) {
            task.part = i;
            return push_sequence(Task(task), part.head, part.equals);
        }
        keep(part.head == part.equals ? std::string() : std::string(trim(tree.text(first))), tree.nodes[part.equals].next, true);
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
    for (const auto& [name, argument] : scopes_.back().arguments) held_ -= std::min(held_, argument.value.size());
    scopes_.pop_back();
    const std::string_view text = written(task);
    // As in MediaWiki, a list or table that a template begins starts a line.
    const bool block = !text.empty() && (std::string_view(":;#*").find(text[0]) != kNone || text.starts_with("{|"));
    if (block && task.start > 0 && out_[task.start - 1] != '\n') {
        counters_->steps += static_cast<std::int64_t>(text.size()) / 4;
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

/// A module was called: the template whose definition calls it is left. In a page itself nothing is written.
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
        for (const auto& [key, argument] : scopes_[i].arguments) held_ -= std::min(held_, argument.value.size());
    scopes_.resize(at);
    tasks_.resize(task + 1);
    collected_.resize(tasks_.back().collected);
    out_.resize(tasks_.back().start);
    leave(name);
}

// ------------------------------------------------------------------------------------------------- batch

WikitextExpander::WikitextExpander(TemplateStore& store, const WikitextOptions& options, const ExpandBudget& budget)
    : machine_(std::make_unique<ExpandMachine>(store, options, budget)) {}
WikitextExpander::~WikitextExpander() = default;
std::size_t WikitextExpander::table_bytes() const { return machine_->table_bytes(); }

void WikitextExpander::expand(std::string_view page, std::string_view title, std::string& out, ExpandCounters& counters) {
    counters = {};
    machine_->expand(page, title, out, counters);
}

ExpandBatch expand_wikitext(const WikitextColumn& pages, const WikitextColumn& titles, TemplateStore& store,
                            const WikitextOptions& options, const ExpandBudget& budget) {
    if (pages.size != titles.size) throw std::invalid_argument("there are not as many titles as pages");
    check_column(pages);
    check_column(titles);
    WikitextExpander expander(store, options, budget);
    ExpandBatch batch;
    for (std::size_t i = 0; i < pages.size; ++i) {
        ExpandCounters c;
        expander.expand(pages[i], titles[i], batch.texts.bytes, c);
        batch.texts.end_string();
        for (std::int64_t value : {c.steps, c.depth, c.expanded, c.ruled, c.undefined, c.lua, c.loops, c.over})
            batch.counters.push_back(value);
    }
    batch.table_bytes = expander.table_bytes();
    return batch;
}

}  // namespace corpuskit
