#include "comm/heartbeat.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <random>
#include <span>
#include <vector>

#include "core/unique_handle.hpp"

namespace ringworld {
namespace {

struct DescriptorTraits {
  using Handle = int;
  static Handle null() noexcept { return -1; }
  static void close(Handle descriptor) noexcept { ::close(descriptor); }
};
using Descriptor = UniqueHandle<DescriptorTraits>;

constexpr std::size_t text_bytes = 400;

/// A datagram as it travels: between processes of one program, so that its bytes need no translation.
struct Datagram {
  std::uint64_t job = 0;  ///< identifies this job, so that datagrams of other programs and jobs are ignored
  std::uint64_t progress = 0;
  double patience = 0;
  std::int32_t rank = 0;
  HeartbeatKind kind = HeartbeatKind::beat;
  bool is_waiting = false;
  std::array<char, text_bytes> text{};
};

constexpr std::size_t most_addresses = 8;

/// The identity of the job, and the addresses on which rank 0 listens.
struct Meeting {
  std::uint64_t job = 0;
  std::array<std::uint32_t, most_addresses> addresses{};  ///< IPv4, network byte order; 0: none
  std::uint16_t port = 0;                                 ///< network byte order
};

/// This node's addresses but those of its loopback device.
std::vector<std::uint32_t> own_addresses() {
  std::vector<std::uint32_t> addresses;
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) {
    return addresses;
  }
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(first, &::freeifaddrs);
  for (const ifaddrs* entry = first; entry != nullptr; entry = entry->ifa_next) {
    const bool is_usable = entry->ifa_addr != nullptr && entry->ifa_addr->sa_family == AF_INET &&
                           (entry->ifa_flags & IFF_UP) != 0 && (entry->ifa_flags & IFF_LOOPBACK) == 0;
    if (is_usable) {
      sockaddr_in address{};
      std::memcpy(&address, entry->ifa_addr, sizeof(address));
      addresses.push_back(address.sin_addr.s_addr);
    }
  }
  return addresses;
}

sockaddr_in make_address(std::uint32_t host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = host;
  address.sin_port = port;
  return address;
}

Descriptor open_socket(std::uint32_t host) {
  Descriptor opened(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const sockaddr_in address = make_address(host, 0);
  if (opened && ::bind(opened.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    opened = Descriptor();
  }
  return opened;
}

std::uint16_t port_of(const Descriptor& opened) {
  sockaddr_in address{};
  socklen_t length = sizeof(address);
  return ::getsockname(opened.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0 ? address.sin_port
                                                                                          : std::uint16_t{0};
}

Datagram to_datagram(const Heartbeat& heartbeat, std::uint64_t job) {
  Datagram datagram{.job = job,
                    .progress = heartbeat.activity.progress,
                    .patience = heartbeat.activity.patience,
                    .rank = heartbeat.rank,
                    .kind = heartbeat.kind,
                    .is_waiting = heartbeat.activity.is_waiting};
  const std::string& text = heartbeat.activity.phase;
  std::copy_n(text.begin(), std::min(text.size(), text_bytes), datagram.text.begin());
  return datagram;
}

Heartbeat from_datagram(const Datagram& datagram) {
  const auto end = std::ranges::find(datagram.text, '\0');
  return {.kind = datagram.kind,
          .rank = datagram.rank,
          .activity = {.progress = datagram.progress,
                       .is_waiting = datagram.is_waiting,
                       .phase = std::string(datagram.text.begin(), end),
                       .patience = datagram.patience}};
}

}  // namespace

struct HeartbeatChannel::State {
  Descriptor socket;  // none: the channel is deaf
  Descriptor bell{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::uint64_t job = 0;
  int rank = 0;
  std::vector<sockaddr_in> peers;  // rank 0: of each rank, port 0 until it is heard of; others: where rank 0 may listen

  void send_to(const sockaddr_in& address, const Datagram& datagram) const {
    // A datagram that cannot be sent now is replaced by the next one.
    static_cast<void>(::sendto(socket.get(), &datagram, sizeof(datagram), MSG_DONTWAIT | MSG_NOSIGNAL,
                               reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
  }
};

HeartbeatChannel::HeartbeatChannel(const Communicator& world) : state_(std::make_unique<State>()) {
  if (world.size() == 1) {
    return;
  }
  const bool is_one_node = world.all_agree(world.split_by_node().size() == world.size());
  const std::uint32_t loopback = htonl(INADDR_LOOPBACK);
  state_->rank = world.rank();
  state_->socket = open_socket(is_one_node ? loopback : htonl(INADDR_ANY));
  Meeting meeting;
  if (world.is_root() && state_->socket) {
    std::random_device random;
    meeting.job = (std::uint64_t{random()} << 32) | random();
    meeting.port = port_of(state_->socket);
    const std::vector<std::uint32_t> addresses = is_one_node ? std::vector{loopback} : own_addresses();
    std::copy_n(addresses.begin(), std::min(addresses.size(), most_addresses), meeting.addresses.begin());
  }
  world.broadcast(std::as_writable_bytes(std::span(&meeting, 1)), 0);
  state_->job = meeting.job;
  if (world.is_root()) {
    state_->peers.resize(static_cast<std::size_t>(world.size()));
    return;
  }
  for (const std::uint32_t address : meeting.addresses) {
    if (address != 0 && meeting.port != 0) {
      state_->peers.push_back(make_address(address, meeting.port));
    }
  }
}

HeartbeatChannel::~HeartbeatChannel() = default;

void HeartbeatChannel::send(const Heartbeat& heartbeat) {
  if (!state_->socket) {
    return;
  }
  const Datagram datagram = to_datagram(heartbeat, state_->job);
  for (const sockaddr_in& peer : state_->peers) {
    if (peer.sin_port != 0) {
      state_->send_to(peer, datagram);
    }
  }
}

void HeartbeatChannel::wake() {
  const std::uint64_t once = 1;
  [[maybe_unused]] const auto written = ::write(state_->bell.get(), &once, sizeof(once));
}

std::optional<Heartbeat> HeartbeatChannel::receive(double seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    // A descriptor that is none is ignored.
    std::array<pollfd, 2> sources{{{.fd = state_->socket.get(), .events = POLLIN, .revents = 0},
                                   {.fd = state_->bell.get(), .events = POLLIN, .revents = 0}}};
    if (::poll(sources.data(), sources.size(), static_cast<int>(std::max<std::int64_t>(left.count(), 0))) <= 0) {
      return std::nullopt;
    }
    if (sources[1].revents != 0) {
      std::uint64_t rings = 0;
      [[maybe_unused]] const auto bytes = ::read(state_->bell.get(), &rings, sizeof(rings));
      return std::nullopt;
    }
    Datagram datagram;
    sockaddr_in sender{};
    socklen_t length = sizeof(sender);
    const auto bytes = ::recvfrom(state_->socket.get(), &datagram, sizeof(datagram), MSG_DONTWAIT,
                                  reinterpret_cast<sockaddr*>(&sender), &length);
    const bool is_known = bytes == static_cast<ssize_t>(sizeof(datagram)) && datagram.job == state_->job;
    if (is_known && state_->rank == 0 && datagram.rank > 0 && datagram.rank < std::ssize(state_->peers)) {
      state_->peers[static_cast<std::size_t>(datagram.rank)] = sender;
      return from_datagram(datagram);
    }
    if (is_known && state_->rank != 0 && datagram.rank == 0) {
      return from_datagram(datagram);
    }
    // A stranger's, or an error that a peer's closed socket left behind: neither ends the wait.
    if (std::chrono::steady_clock::now() >= end) {
      return std::nullopt;
    }
  }
}

}  // namespace ringworld
