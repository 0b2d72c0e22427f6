/// Why a parameter's gradient is what it is.
public struct GradientExplanation: Sendable, CustomStringConvertible {
  /// The parameter's path or name, or its place in the list.
  public let parameter: String
  /// The largest absolute value of its gradient.
  public let largest: Double
  public let reason: Reason

  public enum Reason: String, Sendable {
    case flows = "its gradient is not zero"
    case frozen = "it is frozen: set isTrainable to true"
    case neverUsed = "the last step did not use it: give it to an operation"
    case noBackward = "no backward was called in the last step: call loss.backward()"
    case notReached = "the loss does not depend on what it was used for: check what backward is called on"
    case exactlyZero = """
      backward reached it and the gradient is exactly zero: look for a dead relu, a product with zero or a softmax \
      that ignores it
      """
    case notFinite = "its gradient is not finite: turn on the tape's findsNonFinite to see where that begins"
  }

  public var description: String { "\(parameter): \(reason.rawValue)" }
}

extension Tape {
  /// Tells for each parameter whether the last step gave it a gradient, and if not, why.
  ///
  /// - Parameter source: A module, or parameters.
  public func explainGradients(of source: some ParameterSource<Scalar>) -> [GradientExplanation] {
    source.parameters.map { named in
      let parameter = named.parameter
      let values = parameter.gradient.elements, largest = Double(values.map(\.magnitude).max() ?? 0)
      let reason: GradientExplanation.Reason =
        if !parameter.isTrainable {
          .frozen
        } else if core.clock.completedGeneration != core.generation {
          .noBackward
        } else if values.contains(where: { !$0.isFinite }) {
          .notFinite
        } else if largest > 0 {
          .flows
        } else if !parameter.core.wasUsed(in: core.step, of: core.clock) {
          .neverUsed
        } else {
          parameter.core.isReached(core.generation) ? .exactlyZero : .notReached
        }
      return GradientExplanation(parameter: named.path, largest: largest, reason: reason)
    }
  }

  /// Stops at the first operation that makes a NaN or an infinity, forward or backward, and names it, its place in the
  /// network and the index. Slow: every result is read again. Costs nothing when off.
  public var findsNonFinite: Bool {
    get { core.observer?.findsNonFinite ?? false }
    set { observe { $0.findsNonFinite = newValue } }
  }

  /// Runs `body`, steps of this tape, and tells which operation in it was the first to make a NaN or an infinity, as
  /// `findsNonFinite` does, but without stopping: to go over a step again that went wrong.
  public func firstNonFinite(in body: () -> Void) -> Misuse? {
    let before = findsNonFinite
    findsNonFinite = true
    core.observer?.note = .some(nil)
    defer {
      core.observer?.note = nil
      findsNonFinite = before
    }
    body()
    return core.observer?.note ?? nil
  }

  /// Records time and memory of every operation; see `lastProfile`. Costs nothing when off.
  public var isProfiling: Bool {
    get { core.observer?.profiles ?? false }
    set { if newValue != isProfiling { observe { $0.profiles = newValue } } }
  }

  /// Time and memory of the last step that was profiled.
  public var lastProfile: StepProfile? { idleObserver?.lastProfile }

  private func observe(_ change: (Observer) -> Void) {
    let observer = core.observer ?? idleObserver ?? Observer()
    change(observer)
    // An observer that watches nothing is put aside with what it has seen.
    let isIdle = !observer.findsNonFinite && !observer.profiles
    core.observer = isIdle ? nil : observer
    idleObserver = observer
  }

  /// When the arena last had to map memory: the operation and the step. A run in steady state never does again; one
  /// that does grows, and this names what grew.
  public var lastGrowth: ArenaGrowth? { core.lastGrowth }

  /// The operations recorded so far in this step, one line each: operation, shape of its result, parameters.
  public func summary() -> String { core.summary() }
}

/// One time that the arena grew.
public struct ArenaGrowth: Sendable, Equatable, CustomStringConvertible {
  public let operation: String
  public let step: UInt64
  /// Bytes mapped after it.
  public let reserved: Int

  public var description: String { "\(operation) in step \(step) made the arena grow to \(reserved) bytes" }
}

extension TapeCore {
  func summary() -> String {
    var lines: [String] = []
    for index in 0..<records.count {
      let record = records[index], output = nodes[record.output]
      var names: [String] = []
      for input in record.inputs.indices where record.inputs[input] >= 0 {
        // INVARIANT: the tape retains the parameters that its nodes use.
        if let parameter = unsafe nodes[record.inputs[input]].parameter?.takeUnretainedValue() {
          names.append(parameter.name ?? "parameter \(parameter.shape)")
        }
      }
      lines.append("\(index)  \(record.name)  \(output.shape)  \(names.joined(separator: ", "))")
    }
    return lines.joined(separator: "\n")
  }
}
