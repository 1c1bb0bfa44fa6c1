// Parser functions that the expander meets. Those that choose ask for the argument that they take
// and leave the others alone; the rest collect all of them first.
#include "engine/wikitext/expand/machine.hpp"

namespace corpuskit {

namespace {

/// Modules that look at arguments and write nothing for a reader.
bool is_silent_module(std::string_view name) {
    static constexpr std::string_view kSilent[] = {
        "check for unknown parameters", "check for deprecated parameters",
        "check for conflicting parameters", "check for clobbered parameters", "templatepar",
        "parameter validation", "templatedata",
    };
    return contains_folded(kSilent, name);
}

}  // namespace

bool ExpandMachine::call_function_or_variable(std::string_view name) {
    Task& task = tasks_.back();
    if (node_of(task).parts == 1 && (name == "!" || name == "=")) {
        // It is still to be read as a call's argument.
        if (task.left > 0) write("{{" + std::string(name) + "}}");
        else write(name == "!" ? "|" : "=");
        pop();
        return true;
    }
    const std::size_t colon = name.find(':');
    const Function function = find_function(trim(name.substr(0, std::min(colon, name.size()))),
                                            colon != kNone);
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
            if (evaluate_expression(first, value))
                return choose(value.empty() || value == "0" ? 2 : 1);
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
    count(name.size() / 4);
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
        count(collected_[i].size() / 2 + 1);
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
        result.append(" ")
            .append(trim(attribute.substr(0, equals)))
            .append("=\"")
            .append(value)
            .append("\"");
    }
    result.append(">");
    if (collected_.size() > first + 1) result.append(trim(collected_[first + 1]));
    result.append("</").append(name).append(">");
}

}  // namespace corpuskit
