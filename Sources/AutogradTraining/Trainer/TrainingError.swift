/// Why a training run cannot start or go on.
public enum TrainingError: Error, Sendable, CustomStringConvertible {
  case invalidConfiguration(String)
  /// A batch could not be drawn; what was done before stands.
  case data(step: Int, any Error)
  /// Loss or gradient norm is not a number any more; the weights are those before that step.
  case nonFinite(NonFiniteStep)
  /// The system refused memory that it seemed to have.
  case outOfMemory(bytes: Int)
  /// The run needs more than there is.
  case tooLarge(MemoryShortage)
  /// The run was interrupted; the steps before stand.
  case cancelled(steps: Int)
  case checkpoint(CheckpointError)

  public var description: String {
    switch self {
    case .invalidConfiguration(let problem): problem
    case .data(let step, let error): "the data of step \(step) could not be read: \(error); the steps before stand"
    case .nonFinite(let bad):
      "training diverged in step \(bad.step): loss \(bad.loss), gradient norm \(bad.gradientNorm)"
        + (bad.cause.map { "; \($0)" } ?? "")
        + "; the weights are those of the step before. Lower the learning rate or clip gradients harder"
    case .checkpoint(let error): "\(error)"
    case .cancelled(let steps): "training was cancelled after \(steps) steps"
    case .tooLarge(let shortage): shortage.description
    case .outOfMemory(let bytes):
      "the run needs \(bytes.megabytes) more than it has, and the system refused some of it; "
        + "make the batch size or the block size smaller"
    }
  }
}
