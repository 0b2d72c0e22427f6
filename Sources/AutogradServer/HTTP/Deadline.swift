import FlyingSocks
import Synchronization

/// A moment after which nobody waits any more.
struct Deadline: Sendable {
  private let moment: ContinuousClock.Instant

  init(seconds: Double) { moment = .now + .seconds(seconds) }

  var hasPassed: Bool { moment <= .now }
}

struct DeadlinePassed: Error {}

/// What ends a connection's waiting once its time is over: it shuts the socket, and whoever waits for it learns that.
///
/// A timer for each piece that is read would be in memory until its time, whether or not it is needed; so there is one tick
/// for all connections, which looks at their alarms.
final class Alarm: Sendable {
  private struct State {
    var deadline: Deadline?
    /// Nil once the connection is closed: its number may be another's then.
    var socket: Socket?
    var hasRung = false
  }

  private let state: Mutex<State>

  init(_ socket: Socket) { state = Mutex(State(socket: socket)) }

  func set(_ deadline: Deadline?) {
    state.withLock {
      $0.deadline = deadline
      $0.hasRung = false
    }
  }

  var hasRung: Bool { state.withLock { $0.hasRung } }

  /// To be called before the socket is closed.
  func end() { state.withLock { $0.socket = nil } }

  /// Shuts what there is to read where the time is over. A client that has not written in time can still be told so; one
  /// that takes nothing learns nothing, and the next tick shuts that, too.
  func tick() {
    state.withLock { state in
      guard let socket = state.socket, state.deadline?.hasPassed == true else { return }
      shut(socket, reading: !state.hasRung, writing: state.hasRung)
      state.hasRung = true
    }
  }
}

/// The alarms of all connections.
final class Alarms: Sendable {
  private let all = Mutex<[ObjectIdentifier: Alarm]>([:])

  var count: Int { all.withLock { $0.count } }

  /// - Returns: Nil where there are `limit` already.
  func add(_ socket: Socket, limit: Int) -> Alarm? {
    all.withLock { all in
      guard all.count < limit else { return nil }
      let alarm = Alarm(socket)
      all[ObjectIdentifier(alarm)] = alarm
      return alarm
    }
  }

  func remove(_ alarm: Alarm) {
    alarm.end()
    _ = all.withLock { $0.removeValue(forKey: ObjectIdentifier(alarm)) }
  }

  func tick() { for alarm in all.withLock({ Array($0.values) }) { alarm.tick() } }
}
