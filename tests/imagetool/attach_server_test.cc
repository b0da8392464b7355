#include "attach_server.h"

#include <gtest/gtest.h>

#include "attach_socket.h"
#include "layerkit/base/file.h"
#include "temp_dir.h"

namespace layerkit::testing {
namespace {

/// A monitor's side and what comes out at the other.
class AttachServerTest : public ::testing::Test {
 protected:
  AttachServerTest() {
    server_.on_requests(
        {.input = [this](std::string_view bytes) { input_ += bytes; },
         .end_of_input = [this] { input_ended_ = true; },
         .resize = [this](const ConsoleSize& size) { sizes_ += format_size(size); }});
  }
  Fd record() const { return open_dir_at(AT_FDCWD, dir_.path()); }
  /// Does whatever is to be done now.
  void turn() {
    for (;;) {
      std::vector<pollfd> polls;
      server_.add_polls(polls, true);
      if (::poll(polls.data(), polls.size(), 0) <= 0) return;
      server_.handle(polls);
    }
  }
  Fd connect(std::string_view hello) {
    auto socket = connect_to_monitor(record());
    EXPECT_TRUE(socket);
    send_packet(*socket, format_packet(PacketKind::Hello, hello));
    turn();
    return std::move(*socket);
  }
  static std::string received(const Fd& socket) {
    std::string all;
    for (;;) {
      const Received each = receive_packet(socket);
      if (!each.packet) return all + (each.is_closed ? "|closed" : "");
      all += static_cast<char>(each.packet->kind) + each.packet->bytes + " ";
    }
  }

  TempDir dir_;
  AttachServer server_{record(), Fd()};
  std::string input_;
  std::string sizes_;
  bool input_ended_ = false;
};

TEST_F(AttachServerTest, OutputGoesToThoseWhoWantIt) {
  const Fd one = connect(kWantsOutput);
  const Fd two = connect(kWantsOutput);
  const Fd waiting = connect("");
  server_.send(LogStream::Output, "out");
  server_.send(LogStream::Error, "err");
  server_.finish(7);
  EXPECT_EQ(received(one), "oout xerr q7 ");
  EXPECT_EQ(received(two), "oout xerr q7 ");
  EXPECT_EQ(received(waiting), "q7 ");
}

TEST_F(AttachServerTest, InputAndSizesAreHandedOn) {
  const Fd client = connect(kWantsOutput);
  send_packet(client, format_packet(PacketKind::Input, "in"));
  send_packet(client, format_packet(PacketKind::Resize, "30 90"));
  send_packet(client, format_packet(PacketKind::Resize, "nonsense"));
  send_packet(client, format_packet(PacketKind::InputEnd, ""));
  turn();
  EXPECT_EQ(input_, "in");
  EXPECT_EQ(sizes_, "30 90");
  EXPECT_TRUE(input_ended_);
}

TEST_F(AttachServerTest, WhoDoesNotSayHelloIsSentAway) {
  auto socket = connect_to_monitor(record());
  ASSERT_TRUE(socket);
  send_packet(*socket, format_packet(PacketKind::Input, "in"));
  turn();
  EXPECT_EQ(input_, "");
  EXPECT_EQ(received(*socket), "|closed");
}

TEST_F(AttachServerTest, AClientThatDoesNotReadIsWaitedFor) {
  const Fd slow = connect(kWantsOutput);
  const std::string block(32768, 'x');
  for (int i = 0; i < 1000 && !server_.has_pending(); ++i)
    server_.send(LogStream::Output, block);
  EXPECT_TRUE(server_.has_pending());
  while (receive_packet(slow).packet) {
  }
  turn();
  EXPECT_FALSE(server_.has_pending());
}

TEST_F(AttachServerTest, WhoLeavesIsForgotten) {
  connect(kWantsOutput).reset();
  turn();
  const std::string block(32768, 'x');
  for (int i = 0; i < 1000; ++i)
    server_.send(LogStream::Output, block);
  EXPECT_FALSE(server_.has_pending());
}

TEST_F(AttachServerTest, NobodyComesAfterTheEndButWhoCameBeforeHearsIt) {
  auto early = connect_to_monitor(record());
  ASSERT_TRUE(early);
  server_.close();
  EXPECT_FALSE(connect_to_monitor(record()));
  server_.finish(3);
  EXPECT_EQ(received(*early), "q3 ");
}

TEST_F(AttachServerTest, TheLastWordIsHeardAlthoughTheMonitorDidNotListen) {
  SocketPair pair = make_attach_pair();
  send_packet(pair.client, format_packet(PacketKind::Input, "never read"));
  send_packet(pair.monitor, format_packet(PacketKind::Exit, "4"));
  pair.monitor.reset();
  EXPECT_EQ(received(pair.client), "q4 |closed");
}

TEST_F(AttachServerTest, ADeadMonitorsSocketIsReplaced) {
  const Fd other = open_dir_at(AT_FDCWD, dir_.path());
  { const Fd dead = listen_for_clients(other); }
  EXPECT_FALSE(connect_to_monitor(other));
  const Fd alive = listen_for_clients(other);
  EXPECT_TRUE(connect_to_monitor(other));
}

}  // namespace
}  // namespace layerkit::testing
