public import AutogradBase

/// What a run needs of memory, in bytes, part by part.
///
/// Sizes of tensors are computed, the arena and the threads' scratch come from dry runs: exact. What the process itself
/// takes is measured when the plan is made.
public struct TrainingPlan: Sendable, Equatable {
  /// A stage of the forward pass and what it keeps until backward has passed it.
  public struct Stage: Sendable, Equatable {
    public let name: String
    public let bytes: Int
  }

  public let batchSize, blockSize, accumulation: Int
  public let recomputesBlocks: Bool
  public let parameterCount: Int
  /// How many of them are trained, or how many an adapter has.
  public let trainedCount: Int

  public let parameters, gradients, optimizerState: Int
  /// The arena's peak: the stages' activations and, at the peak, what backward adds.
  public let arena: Int
  public let stages: [Stage]
  /// Scratch memory of all threads.
  public let workspace: Int
  /// The text's tokens and one batch of them.
  public let data: Int
  /// Tables that the model looks up, of rotary positions.
  public let tables: Int
  /// While a model is saved or samples are drawn: whichever takes more.
  public let saving: Int
  /// Program, libraries, heap: what was resident when the plan was made and is none of the above, and room to grow.
  public let process: Int

  /// Addresses that the run will take beyond those in use when the plan was made.
  public let newAddresses: Int
  /// Of `total`, what was resident when the plan was made, and the most that was until then.
  public let residentBefore, peakBefore: Int
  /// Of that, pages of files, the program's above all: other processes may share them.
  public let filesBefore: Int
  /// Addresses in use when the plan was made.
  public let addressesBefore: Int

  /// The most that will be resident at once: all parts, or what reading a long text took, where that was more.
  public var total: Int {
    max(peakBefore, residentBefore + newMemory)
  }

  /// `total` without pages of files: what a control group counts where others use the same program.
  public var privateTotal: Int { total - filesBefore }

  /// What backward adds to the arena at its peak: gradients of activations, and activations computed again.
  public var backward: Int { arena - stages.reduce(0) { $0 + $1.bytes } }

  /// What is still to be taken, where a limit counts memory in use.
  public var newMemory: Int {
    parameters + gradients + optimizerState + arena + workspace + tables + data + saving + process - residentBefore
  }

  /// The addresses that the whole run takes.
  public var addressSpace: Int { addressesBefore + newAddresses }

  /// Whether a limit has room for what is still to be taken.
  func fits(_ limit: MemoryLimit) -> Bool { need(of: limit) <= limit.remaining }

  /// What a limit has to have left.
  func need(of limit: MemoryLimit) -> Int {
    switch limit.kind {
    case .controlGroup, .available: newMemory
    case .addressSpace, .data: newAddresses
    }
  }
}

/// A run that does not fit, and what would.
public struct MemoryShortage: Error, Sendable, Equatable, CustomStringConvertible {
  public let plan: TrainingPlan
  public let limit: MemoryLimit
  /// The largest sizes that would fit, each with everything else as it is; nil where not even 1 would.
  public let largestBatch, largestContext: Int?
  /// Whether recomputing the blocks would be enough.
  public let recomputingFits: Bool

  public var description: String {
    var ways: [String] = []
    if recomputingFits { ways.append("recomputing the blocks") }
    if let largestBatch { ways.append("a batch size of \(largestBatch)") }
    if let largestContext { ways.append("a block size of \(largestContext)") }
    return sentence(naming: ways)
  }

  /// - Parameter ways: What would fit, as whoever reads it would ask for it.
  package func sentence(naming ways: [String]) -> String {
    let need = plan.need(of: limit)
    let advice = ways.isEmpty ? "make the model smaller" : "what would fit: " + ways.joined(separator: ", or ")
    let isAddresses = limit.kind == .addressSpace || limit.kind == .data
    let more = need.megabytes + (isAddresses ? " of addresses" : "")
    return "not enough memory: training needs \(plan.total.megabytes), \(more) more than it has, "
      + "but \(limit) of \(limit.bytes.megabytes) leaves \(limit.remaining.megabytes); \(advice)"
  }
}
