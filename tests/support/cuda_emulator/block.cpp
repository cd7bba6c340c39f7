#include "support/cuda_emulator/block.hpp"

#include <cuda_runtime.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <boost/context/fiber.hpp>
#include <cstdlib>
#include <cstring>
#include <list>
#include <map>
#include <memory>
#include <new>
#include <numeric>
#include <random>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

// CUDA's built-in variables; the scheduler sets them whenever it goes on with a thread.
uint3 threadIdx;
uint3 blockIdx;
dim3 blockDim;
dim3 gridDim;

namespace cuda_emulator {
namespace {

using boost::context::fiber;

constexpr unsigned warpgroup_warps = 4;
constexpr std::size_t page = 4096;
constexpr std::size_t stack_bytes = 128 * 1024;
constexpr std::size_t largest_shared_bytes = 256 * 1024;
constexpr std::uint32_t first_shared_address = 1024;  // below it lies what the system keeps for itself
constexpr std::uint32_t static_shared_origin = 0xc0000000;
constexpr unsigned char poison = 0xff;  // NaN as float and as bf16

std::mt19937& random_numbers() {
  static std::mt19937 generator = [] {
    const char* seed = std::getenv("RINGWORLD_EMULATED_CUDA_SEED");
    return std::mt19937(seed == nullptr ? 1U : static_cast<unsigned>(std::strtoul(seed, nullptr, 10)));
  }();
  return generator;
}

/// A number below `bound`. Not std::uniform_int_distribution, whose numbers differ between libraries.
std::size_t random_below(std::size_t bound) { return random_numbers()() % bound; }

/// Stacks of fibers, kept for the next block; below each lies a page that must not be touched.
class Stacks {
 public:
  boost::context::stack_context allocate() {
    void* base = nullptr;
    if (free_.empty()) {
      base =
          mmap(nullptr, stack_bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (base == MAP_FAILED || mprotect(base, page, PROT_NONE) != 0) {
        throw std::bad_alloc();
      }
    } else {
      base = free_.back();
      free_.pop_back();
    }
    boost::context::stack_context stack;
    stack.size = stack_bytes;
    stack.sp = static_cast<std::byte*>(base) + page + stack_bytes;
    return stack;
  }
  void deallocate(boost::context::stack_context& stack) noexcept {
    free_.push_back(static_cast<std::byte*>(stack.sp) - stack_bytes - page);
  }

 private:
  std::vector<void*> free_;
};

Stacks& stacks() {
  static Stacks pool;
  return pool;
}

/// How Boost.Context asks for a stack.
struct StackFromPool {
  // NOLINTNEXTLINE(readability-convert-member-functions-to-static): the interface of a stack allocator
  boost::context::stack_context allocate() { return stacks().allocate(); }
  void deallocate(boost::context::stack_context& stack) noexcept { stacks().deallocate(stack); }
};

/// The memory behind dynamic shared memory: poisoned before each block, and after it looked at round the edges.
class SharedMemory {
 public:
  SharedMemory() {
    void* base =
        mmap(nullptr, 2 * page + largest_shared_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
      throw std::bad_alloc();
    }
    begin_ = static_cast<std::byte*>(base) + page;
  }
  void begin_block(std::size_t bytes) {
    bytes_ = bytes;
    std::memset(begin_ - margin, poison, bytes + 2 * margin);
  }
  void check_edges() const {
    const auto is_intact = [](std::byte value) { return value == std::byte{poison}; };
    if (!std::all_of(begin_ - margin, begin_, is_intact) ||
        !std::all_of(begin_ + bytes_, begin_ + bytes_ + margin, is_intact)) {
      throw Failure(fmt::format("a write outside the {} bytes of dynamic shared memory", bytes_));
    }
  }
  [[nodiscard]] std::byte* begin() const { return begin_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  static constexpr std::size_t margin = 1024;
  std::byte* begin_ = nullptr;
  std::size_t bytes_ = 0;
};

SharedMemory& shared_memory() {
  static SharedMemory memory;
  return memory;
}

/// A barrier between some of the threads of a warp, at which one of them does the work of all.
struct Meeting {
  Place place;
  std::uint32_t mask = 0;
  unsigned present = 0;
  Shares shares{};
  void (*complete)(const Shares&) = nullptr;
};

struct Thread {
  fiber context;
  unsigned number = 0;
  uint3 index{};
  bool has_ended = false;
  Place place;
  AsyncQueue copies;
  AsyncQueue bulk_copies;
};

struct Warp {
  unsigned first = 0;       ///< thread
  unsigned registers = 0;   ///< of each thread
  unsigned wanted = 0;      ///< where it waits for more: how many it wants to have
  std::uint32_t alive = 0;  ///< lanes that have not ended
  std::list<Meeting> meetings;
  AsyncQueue products;

  [[nodiscard]] bool is_complete(const Meeting& meeting) const {
    return meeting.present == static_cast<unsigned>(std::popcount(meeting.mask & alive));
  }
};

/// What warps of one quarter of a multiprocessor gave up and others may take: each quarter has a register file, and runs
/// one warp of each warpgroup. What a warp holds when it ends is not given up.
struct Registers {
  unsigned free = 0;  ///< of the threads of a warp, each
};

struct Barrier {
  int threads = 0;
  int come = 0;
  std::vector<Thread*> waiting;
};

class Block {
 public:
  Block(const GridShape& shape, const std::function<void()>& kernel) : kernel_(kernel), threads_(shape.block.count()) {
    for (unsigned number = 0; number < threads_.size(); ++number) {
      Thread& thread = threads_[number];
      thread.number = number;
      thread.index = {number % shape.block.x, number / shape.block.x % shape.block.y,
                      number / shape.block.x / shape.block.y};
    }
    for (unsigned first = 0; first < threads_.size(); first += warp_threads) {
      Warp& warp = warps_.emplace_back();
      warp.first = first;
      warp.registers = registers_at_launch(threads_.size());
      const std::size_t lanes = std::min<std::size_t>(warp_threads, threads_.size() - first);
      warp.alive = 0xffffffffU >> (warp_threads - lanes);
    }
  }

  void run() {
    for (Thread& thread : threads_) {
      thread.context = fiber(std::allocator_arg, StackFromPool{}, [this, &thread](fiber&& scheduler) {
        scheduler_ = std::move(scheduler);
        live(thread);
        return std::move(scheduler_);
      });
      ready_.push_back(&thread);
    }
    while (!ready_.empty() || !deferred_.empty()) {
      const std::size_t choice = random_below(ready_.size() + deferred_.size());
      if (choice < ready_.size()) {
        Thread* thread = std::exchange(ready_[choice], ready_.back());
        ready_.pop_back();
        resume(*thread);
      } else {
        const auto operation = deferred_.begin() + static_cast<std::ptrdiff_t>(choice - ready_.size());
        const std::function<void()> taken = std::move(*operation);
        deferred_.erase(operation);
        taken();
      }
    }
    if (const auto left = std::ranges::count(threads_, false, &Thread::has_ended); left > 0) {
      throw Failure(
          fmt::format("deadlock: {} of {} threads wait for ever\n{}", left, threads_.size(), where_all_stand()));
    }
    check_products();
    check_registers();
  }

  /// Lets the running thread wait, until somebody makes it ready.
  void suspend(const Place& place) {
    Thread& self = *running_;
    self.place = place;
    scheduler_ = std::move(scheduler_).resume();
  }

  void give_way(const Place& place) {
    ready_.push_back(running_);
    suspend(place);
  }

  void meet(std::uint32_t mask, Share share, void (*complete)(const Shares&), const Place& place) {
    Warp& warp = running_warp();
    const unsigned position = running_->number - warp.first;
    const auto is_mine = [&](const Meeting& meeting) {
      return meeting.mask == mask && meeting.shares[position] == nullptr;
    };
    auto meeting = std::ranges::find_if(warp.meetings, is_mine);
    if (meeting == warp.meetings.end()) {
      meeting = warp.meetings.insert(meeting, Meeting{.place = place, .mask = mask, .complete = complete});
    } else if (meeting->complete != complete) {
      throw Failure(fmt::format("threads of one warp are at different instructions: {} and {}",
                                describe(meeting->place), describe(place)));
    }
    meeting->shares[position] = share;
    ++meeting->present;
    if (warp.is_complete(*meeting)) {
      finish(warp, meeting, running_);
    } else {
      suspend(place);
    }
  }

  void come_to_barrier(int number, int count, bool waits, const Place& place) {
    if (number < 0 || number >= static_cast<int>(barriers_.size()) || count % static_cast<int>(warp_threads) != 0) {
      throw Failure(fmt::format("no barrier {} for {} threads: there are 16, for whole warps", number, count));
    }
    Barrier& barrier = barriers_[static_cast<std::size_t>(number)];
    if (barrier.come > 0 && barrier.threads != count) {
      throw Failure(fmt::format("barrier {} is opened by {} threads and by {}: {}", number, barrier.threads, count,
                                describe(place)));
    }
    barrier.threads = count;
    ++barrier.come;
    if (waits) {
      barrier.waiting.push_back(running_);
    }
    open_if_complete(barrier);
    if (waits) {
      suspend(place);  // the last one to come as well: any of them may go first
    }
  }

  void sleep_on(const void* what, const Place& place) {
    sleepers_.emplace(what, running_);
    suspend(place);
  }

  void wake(const void* what) {
    const auto [begin, end] = sleepers_.equal_range(what);
    for (auto sleeper = begin; sleeper != end; ++sleeper) {
      ready_.push_back(sleeper->second);
    }
    sleepers_.erase(begin, end);
  }

  void defer(std::function<void()> operation) { deferred_.push_back(std::move(operation)); }

  void take_registers(unsigned count, const Place& place) {
    Warp& warp = running_warp();
    Registers& pool = pool_of(warp);
    while (warp.registers < count) {
      const unsigned missing = count - warp.registers;
      if (missing <= pool.free) {
        pool.free -= missing;
        warp.registers = count;
      } else {
        warp.wanted = count;
        sleep_on(&pool, place);
      }
    }
    warp.wanted = 0;
  }

  void give_registers(unsigned count, const Place& place) {
    Warp& warp = running_warp();
    if (warp.registers < count) {
      throw Failure(
          fmt::format("{}: the warp has {} registers a thread, fewer than {}", describe(place), warp.registers, count));
    }
    Registers& pool = pool_of(warp);
    pool.free += std::exchange(warp.registers, count) - count;
    wake(&pool);
  }

  [[nodiscard]] Thread& running() { return *running_; }
  [[nodiscard]] Warp& running_warp() { return warps_[running_->number / warp_threads]; }
  [[nodiscard]] std::size_t whole_warps() const { return threads_.size() / warp_threads; }

 private:
  /// The life of a thread, on its own fiber.
  void live(Thread& thread) {
    try {
      kernel_();
      if (!thread.copies.is_idle() || !thread.bulk_copies.is_idle()) {
        throw Failure("a thread ended while its asynchronous copies were under way");
      }
    } catch (const std::exception& error) {
      failure_ = std::make_exception_ptr(
          Failure(fmt::format("{} (block {} {} {}, thread {} {} {})", error.what(), blockIdx.x, blockIdx.y, blockIdx.z,
                              thread.index.x, thread.index.y, thread.index.z)));
    }
    thread.has_ended = true;
  }

  void resume(Thread& thread) {
    running_ = &thread;
    threadIdx = thread.index;
    thread.context = std::move(thread.context).resume();
    if (failure_) {
      std::rethrow_exception(std::exchange(failure_, nullptr));
    }
    if (thread.has_ended) {
      after_end_of(thread);
    }
  }

  /// Those who wait for all threads "that have not ended" may have waited for this one.
  void after_end_of(const Thread& thread) {
    --alive_;
    for (Barrier& barrier : barriers_) {
      open_if_complete(barrier);
    }
    Warp& warp = warps_[thread.number / warp_threads];
    warp.alive &= ~(1U << (thread.number - warp.first));
    for (auto meeting = warp.meetings.begin(); meeting != warp.meetings.end();) {
      const auto next = std::next(meeting);
      if (warp.is_complete(*meeting)) {
        finish(warp, meeting, nullptr);
      }
      meeting = next;
    }
  }

  /// Does the work of a meeting; makes everybody ready but `last`, who is running.
  void finish(Warp& warp, std::list<Meeting>::iterator meeting, const Thread* last) {
    meeting->complete(meeting->shares);
    for (unsigned position = 0; position < warp_threads; ++position) {
      if (meeting->shares[position] != nullptr && &threads_[warp.first + position] != last) {
        ready_.push_back(&threads_[warp.first + position]);
      }
    }
    warp.meetings.erase(meeting);
  }

  void open_if_complete(Barrier& barrier) {
    if (barrier.come > 0 && barrier.come >= (barrier.threads == 0 ? alive_ : barrier.threads)) {
      ready_.insert(ready_.end(), barrier.waiting.begin(), barrier.waiting.end());
      barrier = {};
    }
  }

  /// The four warps of a warpgroup carry out its products together, each for 16 of the 64 rows.
  void check_products() const {
    for (std::size_t warp = 0; warp < warps_.size(); ++warp) {
      if (!warps_[warp].products.is_idle()) {
        throw Failure("a warp ended while its wgmma were under way");
      }
      if (warps_[warp].products.added() != warps_[warp / warpgroup_warps * warpgroup_warps].products.added()) {
        throw Failure("the warps of one warpgroup took part in different numbers of wgmma");
      }
    }
  }

  void check_registers() const {
    for (std::size_t warp = 0; warp < warps_.size(); ++warp) {
      if (warps_[warp].registers != warps_[warp / warpgroup_warps * warpgroup_warps].registers) {
        throw Failure("the warps of one warpgroup hold different numbers of registers");
      }
    }
  }

  [[nodiscard]] Registers& pool_of(const Warp& warp) { return pools_[warp.first / warp_threads % warpgroup_warps]; }

  [[nodiscard]] std::string where_all_stand() const {
    std::map<std::string, std::vector<unsigned>> threads_by_place;
    for (const Thread& thread : threads_) {
      if (!thread.has_ended) {
        threads_by_place[describe(thread.place)].push_back(thread.number);
      }
    }
    std::string text;
    for (const auto& [place, numbers] : threads_by_place) {
      text += fmt::format("  {} threads ({} to {}) at {}\n", numbers.size(), numbers.front(), numbers.back(), place);
    }
    for (const Warp& warp : warps_) {
      if (warp.wanted > 0) {
        text += fmt::format(
            "  warp {} holds {} registers a thread and wants {}: the block started with {} for each of its {} "
            "threads\n",
            warp.first / warp_threads, warp.registers, warp.wanted, registers_at_launch(threads_.size()),
            threads_.size());
      }
    }
    return text;
  }

  const std::function<void()>& kernel_;
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::array<Barrier, 16> barriers_;
  std::array<Registers, warpgroup_warps> pools_;
  std::unordered_multimap<const void*, Thread*> sleepers_;
  std::vector<Thread*> ready_;
  std::vector<std::function<void()>> deferred_;
  int alive_ = static_cast<int>(threads_.size());
  Thread* running_ = nullptr;
  fiber scheduler_;
  std::exception_ptr failure_;
};

Block* current_block = nullptr;

Block& block() {
  if (current_block == nullptr) {
    throw Failure("device code was called outside a kernel");
  }
  return *current_block;
}

}  // namespace

std::string describe(const Place& place) {
  const std::string_view file = place.line.file_name();
  return fmt::format("{} at {}:{}", place.operation, file.substr(file.rfind('/') + 1), place.line.line());
}

void run_grid(const GridShape& shape, const std::function<void()>& kernel) {
  gridDim = {shape.grid.x, shape.grid.y, shape.grid.z};
  blockDim = {shape.block.x, shape.block.y, shape.block.z};
  std::vector<std::size_t> order(shape.grid.count());
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t index = order.size(); index > 1; --index) {
    std::swap(order[index - 1], order[random_below(index)]);
  }
  for (const std::size_t number : order) {
    blockIdx = {static_cast<unsigned>(number % shape.grid.x),
                static_cast<unsigned>(number / shape.grid.x % shape.grid.y),
                static_cast<unsigned>(number / shape.grid.x / shape.grid.y)};
    shared_memory().begin_block(shape.shared_bytes);
    Block running(shape, kernel);
    current_block = &running;
    try {
      running.run();
      shared_memory().check_edges();
    } catch (...) {
      current_block = nullptr;
      throw;
    }
    current_block = nullptr;
  }
}

void meet_warp(std::uint32_t mask, Share share, void (*complete)(const Shares&), const Place& place) {
  if ((mask >> lane() & 1U) == 0) {
    throw Failure(fmt::format("{}: the mask {:#x} leaves out the caller, lane {}", describe(place), mask, lane()));
  }
  block().meet(mask, share, complete, place);
}

void come_to_barrier(int barrier, int threads, bool waits, const Place& place) {
  block().come_to_barrier(barrier, threads, waits, place);
}

unsigned registers_at_launch(std::size_t threads) {
  constexpr std::size_t registers_of_a_multiprocessor = 65536;
  constexpr std::size_t step = 8;
  constexpr std::size_t most = 256;
  return static_cast<unsigned>(std::min(most, registers_of_a_multiprocessor / threads / step * step));
}

void take_registers(unsigned count, const Place& place) { block().take_registers(count, place); }
void give_registers(unsigned count, const Place& place) { block().give_registers(count, place); }

void sleep_on(const void* what, const Place& place) { block().sleep_on(what, place); }
void wake(const void* what) { block().wake(what); }
void give_way() { block().give_way({"a pause"}); }
void defer(std::function<void()> operation) { block().defer(std::move(operation)); }
bool toss_coin() { return random_below(2) == 1; }

AsyncQueue& thread_copies() { return block().running().copies; }
AsyncQueue& thread_bulk_copies() { return block().running().bulk_copies; }
AsyncQueue& warp_products() { return block().running_warp().products; }

unsigned lane() { return block().running().number % warp_threads; }

unsigned warp_in_warpgroup(const Place& place) {
  const unsigned warp = block().running().number / warp_threads;
  if (block().whole_warps() < (warp / warpgroup_warps + 1) * warpgroup_warps) {
    throw Failure(fmt::format("{}: the block has no whole warpgroup here", describe(place)));
  }
  return warp % warpgroup_warps;
}

std::byte* dynamic_shared() { return shared_memory().begin(); }

std::uint32_t to_shared_address(const void* pointer) {
  // By number: the pointers may belong to different objects.
  const auto address = reinterpret_cast<std::intptr_t>(pointer);
  const std::intptr_t offset = address - reinterpret_cast<std::intptr_t>(shared_memory().begin());
  if (offset >= 0 && offset <= static_cast<std::intptr_t>(largest_shared_bytes)) {
    return first_shared_address + static_cast<std::uint32_t>(offset);
  }
  const std::intptr_t from_anchor = address - reinterpret_cast<std::intptr_t>(&current_block);
  if (std::abs(from_anchor) >= std::intptr_t{1} << 29) {
    throw Failure("a pointer that is not to shared memory was used as a shared address");
  }
  return static_shared_origin + static_cast<std::uint32_t>(from_anchor);
}

std::byte* shared_bytes_at(std::uint32_t address, std::size_t bytes, std::size_t alignment, const Place& place) {
  if (address % alignment != 0) {
    throw Failure(fmt::format("{}: shared address {:#x} is not a multiple of {}", describe(place), address, alignment));
  }
  if (address >= static_shared_origin - (1U << 29U)) {
    return reinterpret_cast<std::byte*>(&current_block) + (static_cast<std::int64_t>(address) - static_shared_origin);
  }
  const std::size_t offset = static_cast<std::size_t>(address) - first_shared_address;
  if (address < first_shared_address || offset + bytes > shared_memory().bytes()) {
    throw Failure(fmt::format("{}: {} bytes at offset {} of shared memory, which has {}", describe(place), bytes,
                              static_cast<std::int64_t>(address) - first_shared_address, shared_memory().bytes()));
  }
  return shared_memory().begin() + offset;
}

}  // namespace cuda_emulator
