#include "connectors/socket/wait.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

namespace tidelog {

namespace {

constexpr std::chrono::milliseconds look_again{100};

short events_of(Direction direction) {
  switch (direction) {
    case Direction::read:
      return POLLIN;
    case Direction::write:
      return POLLOUT;
    case Direction::both:
      return POLLIN | POLLOUT;
  }
  return POLLIN;
}

}  // namespace

StopSignal::StopSignal(std::stop_token stop)
    : stop_(std::move(stop)),
      descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      callback_(stop_, [descriptor = descriptor_.value] {
        if (descriptor >= 0) static_cast<void>(::eventfd_write(descriptor, 1));
      }) {}

StopSignal::Descriptor::~Descriptor() {
  if (value >= 0) ::close(value);
}

Waker::Waker() : descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Waker::~Waker() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void Waker::wake() {
  if (descriptor_ >= 0) static_cast<void>(::eventfd_write(descriptor_, 1));
}

void Waker::forget() {
  eventfd_t times = 0;
  if (descriptor_ >= 0) static_cast<void>(::eventfd_read(descriptor_, &times));
}

Wake wait_for_socket(int socket, Direction direction, std::chrono::milliseconds time,
                     const StopSignal& stop, const Waker* waker) {
  if (stop.requested()) return Wake::stopped;
  if (stop.descriptor() < 0) time = std::min(time, look_again);
  pollfd polled[] = {{socket, events_of(direction), 0},
                     {stop.descriptor(), POLLIN, 0},
                     {waker == nullptr ? -1 : waker->descriptor(), POLLIN, 0}};
  const int timeout = static_cast<int>(std::clamp<std::int64_t>(time.count(), 0, 1 << 30));
  const int ready = ::poll(polled, std::size(polled), timeout);
  if (stop.requested()) return Wake::stopped;
  return ready == 0 ? Wake::timed_out : Wake::ready;
}

void pause_for(std::chrono::microseconds time, const StopSignal& stop) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const timespec limit{seconds.count(), std::chrono::nanoseconds{time - seconds}.count()};
  pollfd polled{stop.descriptor(), POLLIN, 0};
  static_cast<void>(::ppoll(&polled, 1, &limit, nullptr));
}

}  // namespace tidelog
