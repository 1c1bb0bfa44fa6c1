// The machine that expands templates; expand.hpp tells how it works. Shared by its files.
#pragma once

#include <algorithm>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/wikitext/expand/expand.hpp"
#include "engine/wikitext/marks.hpp"
#include "engine/wikitext/parse/names.hpp"
#include "engine/wikitext/templates/functions.hpp"
#include "engine/wikitext/templates/templates.hpp"

namespace corpuskit {

class ExpandMachine {
  public:
    ExpandMachine(TemplateStore& store, const WikitextOptions& options, const ExpandBudget& budget)
        : store_(store), options_(options), budget_(budget),
          classes_(options.template_classes), variants_(has_variants(options.language)) {}

    /// Appends the expanded page to `out`; `counters` are 0 before.
    void expand(std::string_view page, std::string_view title, std::string& out,
                ExpandCounters& counters);
    /// Bytes of the tables of the largest page so far, beside its text.
    std::size_t table_bytes() const { return table_bytes_; }

  private:
    using Kind = WikiNode::Kind;
    // The stack of the machine: it takes the place of recursion, and this bounds it at some 7 MB.
    static constexpr std::size_t kMostTasks = 100'000;

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
        kSequence,      // writes the nodes from `node` up to `stop`
        kTrim,          // what was written is trimmed
        kParameter,     // its name was written
        kArgument,      // the value of an argument was written, to be kept
        kName,          // the name of a call was written
        kArgumentName,  // the name of an argument was written
        kBody,          // the body of a template was written
        kLeft,          // a call that is left: its parts are written one by one
        kCollect,       // the arguments of a function are written one by one
        kCompare,       // the second value of #ifeq was written
        kCase,          // the name of a case of #switch was written
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

    void step();
    void sequence(Task& task);
    void parameter();
    void argument_done();
    void name_done();
    void call_template(std::string_view name);
    void bind(std::uint32_t from);
    void body_done();
    void leave(std::string_view name);
    void leave_next();
    void lua();
    void give_up_call();
    void write_raw(const WikiNode& node);
    // parser functions (functions.cpp)
    bool call_function_or_variable(std::string_view name);
    void begin_function(Function function, std::string_view first);
    void choose(std::uint32_t argument);
    void begin_switch(std::string_view primary);
    void next_case();
    void case_named();
    void collect();
    void finish_function();
    void tag_function(std::string& result);

    bool is_known(std::string_view name);
    bool over() const {
        return counters_->steps > call_limit_ || out_.size() + held_ > max_output_ ||
               tasks_.size() > kMostTasks;
    }
    void count(std::size_t steps) { counters_->steps += static_cast<std::int64_t>(steps); }
    const WikiTree& tree_of(const Task& task) const { return *scopes_[task.scope].tree; }
    const WikiNode& node_of(const Task& task) const { return tree_of(task).nodes[task.node]; }
    void write(std::string_view text) {
        out_.append(text);
        count(text.size() / 4 + 1);
    }
    std::string_view written(const Task& task) const {
        return std::string_view(out_).substr(task.start);
    }
    void replace(const Task& task, std::string_view by) {
        out_.resize(task.start);
        write(by);
    }
    void trim_from(std::size_t start);
    void push_sequence(const Task& from, std::uint32_t head, std::uint32_t stop = kNoNode);
    void push_part(const Task& from, std::uint32_t part) {
        push_sequence(from, tree_of(from).parts[part].head);
    }
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

}  // namespace corpuskit
