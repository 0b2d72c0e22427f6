import CAutogradSystem

/// SIGINT, SIGTERM and SIGHUP while there is something to save: the first is noted, a second ends the process at once.
enum Signals {
  static func watch() { csystem_watch_signals() }

  static var isNoted: Bool { csystem_noted_signal() != 0 }

  /// Back to the usual: a signal ends the process.
  static func unwatch() { csystem_unwatch_signals() }

  /// Ends the process by the signal that was noted; returns where none was.
  static func endIfNoted() {
    let number = csystem_noted_signal()
    if number != 0 { csystem_end_by_signal(number) }
  }
}
