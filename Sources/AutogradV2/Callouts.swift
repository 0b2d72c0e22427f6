import AutogradEngine
import CAutogradV2

// Functions of the program's that the library calls: the backward of a custom operation, a part that is recomputed, the
// loss of a gradient check.
//
// An exception of C++ or a longjmp may leave one. What the library was in the middle of is then left without an end, on
// a context that calls are still made in. The next call finds out, and ends the iteration: its temporaries are stale,
// its gradients incomplete, the context is as usable as before. Where only the inner one of two was left, the outer one
// fails as soon as it returns.

/// One that is running, and what held when it began.
struct Callout: BitwiseCopyable {
  /// Names its frame on the stack.
  let mark: UInt
  let isWalking: Bool
  let runningParts, openParts: Int
  /// Recording, seed and draws as they are outside of it.
  let settings: OuterSettings
}

struct OuterSettings: BitwiseCopyable {
  let isRecording: Bool
  let seed: UInt64
  let draws: RandomDraws
}

/// What a gradient check has to put back.
final class GradientsInCheck {
  let accumulates: Bool
  let parameters: [Parameter<Double>]
  private let values: [[Double]]

  init(accumulates: Bool, parameters: [Parameter<Double>]) {
    (self.accumulates, self.parameters) = (accumulates, parameters)
    values = parameters.map(\.array)
  }

  func restoreValues() {
    for (parameter, values) in zip(parameters, values) { parameter.set(values) }
  }
}

extension Context {
  var settings: OuterSettings { OuterSettings(isRecording: isRecording, seed: seed, draws: draws) }

  /// Calls the program.
  func callOut(_ callout: inout AutogradV2Callout) throws(Misuse) {
    guard callouts.reserve(spare: 1) else { throw core.outOfMemory("callback") }
    autograd_v2_state_call_out(&callout)
    try requireWhole()
  }

  fileprivate func begin(_ mark: UInt) -> Int {
    // INVARIANT: `callOut` made room.
    callouts.append(
      Callout(
        mark: mark, isWalking: isWalking, runningParts: parts.running, openParts: parts.open,
        settings: parts.settings ?? settings))
    return callouts.count - 1
  }

  fileprivate func end(_ place: Int) {
    if callouts.count > place + 1 { isTorn = true }
    callouts.removeLast(downTo: place)
  }

  /// Throws where the library cannot go on with what it is in the middle of.
  func requireWhole() throws(Misuse) {
    guard isTorn else { return }
    throw Misuse(
      "", "an exception or a longjmp left a function that the library was calling",
      hint: "return from the outer one first")
  }

  /// Throws inside any function of the program's that the library is calling.
  func requireNoCallout(_ hint: String) throws(Misuse) {
    try requireIdle(hint)
    guard callouts.count == 0 else { throw Misuse("", "a gradient check is running", hint: hint) }
  }

  /// Ends the callouts that were left; whether there were any.
  @discardableResult
  func endLeftCallouts(thoroughly: Bool) -> Bool {
    var remaining = callouts.count
    while remaining > 0, wasLeft(callouts[remaining - 1].mark, thoroughly) { remaining -= 1 }
    guard remaining < callouts.count else { return false }
    let first = callouts[remaining]
    callouts.removeLast(downTo: remaining)
    isTorn = true
    if remaining > 0 {
      let outer = callouts[remaining - 1]
      isWalking = outer.isWalking
      parts.leave(running: outer.runningParts, open: outer.openParts)
    }
    (isRecording, seed, draws) = (first.settings.isRecording, first.settings.seed, first.settings.draws)
    if remaining == 0 { endTornIteration() }
    return true
  }

  private func wasLeft(_ mark: UInt, _ thoroughly: Bool) -> Bool {
    autograd_v2_state_has_returned_past(mark) || (thoroughly && autograd_v2_state_has_left(mark))
  }

  /// Ends the iteration that an exception or a longjmp broke off, and begins the next.
  func endTornIteration() {
    isTorn = false
    isWalking = false
    callouts.removeLast(downTo: 0)
    parts.abandon()
    if let check {
      accumulates = check.accumulates
      check.restoreValues()
      self.check = nil
    }
    core.resultLimit = Context.largestTensor
    try? nextIteration()
    hasFailedBackward = true
    tornStep = core.step
  }
}

@c @implementation
func autograd_v2_impl_callout_begins(_ mark: UInt) -> Int32 {
  Contexts.existing.map { Int32($0.begin(mark)) } ?? 0
}

@c @implementation
func autograd_v2_impl_callout_ends(_ place: Int32) { Contexts.existing?.end(Int(place)) }
