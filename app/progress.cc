#include "app/progress.h"

#include <fmt/format.h>

#include "app/table.h"

namespace tidelog {
namespace {

constexpr auto print_interval = std::chrono::milliseconds(200);

std::uint64_t rate_of(std::uint64_t done, double seconds) {
  return seconds <= 0 ? 0 : static_cast<std::uint64_t>(static_cast<double>(done) / seconds);
}

}  // namespace

std::string print_seconds(double seconds) {
  const auto whole = static_cast<std::uint64_t>(seconds);
  if (seconds < 1) return fmt::format("{:.0f} ms", seconds * 1000);
  if (whole < 60) return fmt::format("{:.1f} s", seconds);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

Progress::Progress(Output& out, Clock& clock, bool on_terminal, std::string unit,
                   std::uint64_t total)
    : out_(out),
      clock_(clock),
      on_terminal_(on_terminal),
      unit_(std::move(unit)),
      total_(total),
      start_(clock.steady()),
      printed_(start_) {}

double Progress::seconds() const {
  return std::chrono::duration<double>(clock_.steady() - start_).count();
}

std::string Progress::amount(std::uint64_t count) const {
  return unit_ == "bytes" ? print_bytes(count) : fmt::format("{} {}", with_commas(count), unit_);
}

std::string Progress::describe(std::uint64_t done) const {
  const std::uint64_t rate = rate_of(done, seconds());
  std::string text = fmt::format("{}, {}/s", amount(done), amount(rate));
  if (total_ == 0 || rate == 0 || done > total_) return text;
  return text +
         fmt::format(", {}%, {} left", done * 100 / total_,
                     print_seconds(static_cast<double>(total_ - done) / static_cast<double>(rate)));
}

Status Progress::at(std::uint64_t done) {
  if (!on_terminal_ || clock_.steady() - printed_ < print_interval) return {};
  printed_ = clock_.steady();
  TRY_DO(out_.write(fmt::format("\r\x1b[K{}", describe(done))));
  return out_.flush();
}

void Progress::show(std::uint64_t done) {
  if (Status shown = at(done); !shown) failed_ = std::move(shown);
}

Status Progress::finish(const std::string& verb, std::uint64_t done) {
  TRY_DO(failed_);
  const double took = seconds();
  TRY_DO(out_.write(fmt::format("{}{} {} in {} ({}/s)\n", on_terminal_ ? "\r\x1b[K" : "", verb,
                                amount(done), print_seconds(took), amount(rate_of(done, took)))));
  return out_.flush();
}

}  // namespace tidelog
