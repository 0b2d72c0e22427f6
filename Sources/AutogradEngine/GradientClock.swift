import Synchronization

/// The last generation of gradients that a tape completed.
///
/// Parameters hold on to the clock of the tape that wrote their gradient: a gradient stays readable after its
/// tape is gone, and another tape's backward does not make it stale.
package final class GradientClock: Sendable {
  private let completed = Atomic<UInt64>(0)
  private static let generations = Atomic<UInt64>(0)

  /// A number that no parameter's gradient has had before.
  static func nextGeneration() -> UInt64 { generations.wrappingAdd(1, ordering: .relaxed).newValue }

  /// The generation of the last backward; 0 before the first.
  var completedGeneration: UInt64 { completed.load(ordering: .relaxed) }

  func complete(_ generation: UInt64) { completed.store(generation, ordering: .relaxed) }
}
