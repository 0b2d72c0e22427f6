import AutogradKernels
import Synchronization

/// How far a long text has been gone over: one live line on a terminal, nothing in a pipe.
///
/// Shorter ones are done before anybody could read it.
final class TextProgress {
  private let word: String
  private let unit: (Int) -> String
  private let watch = Stopwatch(.wall)
  private var shown = 0.0
  private var isShown = false

  /// - Parameters:
  ///   - word: What is being done: `tokenizing`.
  ///   - unit: How an amount is written that is done.
  init(_ word: String, unit: @escaping (Int) -> String = { $0.bytes }) { (self.word, self.unit) = (word, unit) }

  /// Says something that stays, above the live line.
  func announce(_ sentence: String) {
    end()
    Console.showLine(sentence)
  }

  /// - Returns: True: it interrupts nothing.
  func show(_ done: Int, _ all: Int) -> Bool {
    let seconds = watch.seconds
    guard Console.isTerminal, seconds > 0.5, seconds - shown > 0.1, done > 0 else { return true }
    (shown, isShown) = (seconds, true)
    let rate = Double(done) / seconds
    Console.showLive(
      Progress.fitting(
        [
          "\(word) \((Double(done) / Double(max(1, all))).percent)", "\((Double(all - done) / rate).duration) left",
          "\(unit(done)) of \(unit(all))", "\(unit(Int(rate)))/s",
        ], columns: Console.columns))
    return true
  }

  func end() {
    if isShown { Console.clearLive() }
    isShown = false
  }
}

/// How much of something is done: one live line on a terminal, nothing in a pipe.
final class ShareProgress {
  private let word: String
  private let watch = Stopwatch(.wall)
  private var shown = 0.0
  private var isShown = false

  /// - Parameter word: What is being done: `evaluating`.
  init(_ word: String) { self.word = word }

  /// - Parameter share: From 0 to 1.
  /// - Returns: True: it interrupts nothing.
  func show(_ share: Double) -> Bool {
    let seconds = watch.seconds
    guard Console.isTerminal, seconds > 0.5, seconds - shown > 0.1, share > 0 else { return true }
    (shown, isShown) = (seconds, true)
    Console.showLive(
      Progress.fitting(
        ["\(word) \(share.percent)", "\((seconds / share - seconds).duration) left"], columns: Console.columns))
    return true
  }

  func end() {
    if isShown { Console.clearLive() }
    isShown = false
  }
}
